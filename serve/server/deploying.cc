#include "serve/server/deploying.h"

#include <algorithm>
#include <optional>
#include <thread>
#include <utility>

#include <manta/detail/check_option.h>
#include <manta/get.h>

namespace manta::serve {

using Clock = std::chrono::steady_clock;
using detail::Deployable;
using detail::Description;
using detail::ReplicaLink;
using detail::WeakLink;
using State = manta::detail::ActorStatus::State;

namespace {

[[noreturn]] void refuse(const DeploymentOptions& options, const std::string& what) {
  throw Error(ErrorCode::invalid_argument, "the deployment '" + options.name + "': " + what);
}

constexpr std::chrono::milliseconds kLook{20};
constexpr std::chrono::milliseconds kCallsLook{2};
constexpr std::uint32_t kCrashes = 3;  // of a constructor: it then crashes always

struct Started {
  std::shared_ptr<const ReplicaLink> link;
  std::uint64_t number = 0;
  Ref<Description> described;
  Description description;
};

// Waits for a replica's constructor. Throws Error with what keeps it from ending.
void await(const DeploymentOptions& options, Started& started, Clock::time_point deadline) {
  const auto cannot = [&](const std::string& why) {
    return Error(ErrorCode::unavailable, "a replica of '" + options.name + "' cannot be started: " + why);
  };
  for (;;) {
    const auto left = std::max<std::chrono::nanoseconds>(deadline - Clock::now(), std::chrono::nanoseconds(0));
    try {
      started.description = get(started.described, std::min<std::chrono::nanoseconds>(left, kLook));
      return;
    } catch (const TaskError& error) {
      throw TaskError(error.with_context("a replica of '" + options.name + "' cannot be made"));
    } catch (const Error& error) {
      const auto status = started.link->status(true);
      const bool again = error.code() == ErrorCode::deadline || status.state == State::starting;
      if (!again) throw error.with_context("a replica of '" + options.name + "' cannot be started");
      if (status.restarts >= kCrashes) throw cannot(status.reason + ", " + std::to_string(status.restarts) + " times");
      if (left.count() == 0) {
        const std::string why = manta::detail::why_unresolved(&started.described.entry());
        throw cannot("it did not start within " + std::to_string(options.start_timeout.count()) + " ms" +
                     (status.reason.empty() ? "" : "; " + status.reason) + (why.empty() ? "" : "; " + why) +
                     ". Next: " + (status.has_process ? "" : "ask for less (num_replicas, num_cpus, num_gpus), or ") +
                     "raise start_timeout");
      }
      if (error.code() != ErrorCode::deadline) started.described = started.link->describe();
    }
  }
}

// Starts all, then waits for all: none is left if one fails.
std::vector<Started> start(Engine& engine, const Deployable& deployable, int count) {
  const DeploymentOptions& options = deployable.options;
  std::vector<Started> started;
  for (int i = 0; i < count; ++i) {
    const detail::Lifeline line = engine.keeper().line(options);
    started.push_back({deployable.start(line), line.replica, {}, {}});
    started.back().described = started.back().link->describe();
  }
  const auto deadline = Clock::now() + options.start_timeout;
  for (Started& each : started) await(options, each, deadline);
  return started;
}

// The replica gets nothing more. Blocks until it has answered what the server has sent to it, or until the deadline.
void end_replica(Engine& engine, const std::shared_ptr<App>& app, ReplicaId id) {
  const auto deadline = engine.execute([&] {
    app->leave(id);
    return Clock::now() + app->options().graceful_shutdown_timeout;
  });
  while (!engine.execute([&] { return app->router.idle(id); }) && Clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  engine.execute([&] {
    app->router.remove(id);
    const auto node = app->replicas.extract(id);
    app->publish();
    engine.replaced().add(*node.mapped().link, Clock::now(), deadline);
  });
}

// Until the replica has answered the calls of handles in all processes, or the deadline. A replica serves the processes
// that call it in turn: it has nothing to do if no call has begun between two questions.
void await_calls(const ReplicaLink& replica, Clock::time_point deadline) {
  std::optional<std::uint64_t> before;
  while (Clock::now() < deadline) {
    const Ref<std::uint64_t> asked = replica.calls();
    while (!asked.ready()) {
      if (Clock::now() >= deadline || replica.status(false).state != State::alive) return;
      std::this_thread::sleep_for(kCallsLook);
    }
    const auto begun = try_get(asked);
    if (!begun || before == *begun) return;
    before = *begun;
    std::this_thread::sleep_for(kCallsLook);
  }
}

}  // namespace

void check(const DeploymentOptions& options) {
  if (!valid_name(options.name))
    refuse(options, "its name must be of letters, digits, '-', '_' and '.', and not v2, metrics or healthz");
  if (!valid_name(options.version)) refuse(options, "its version must be of letters, digits, '-', '_' and '.'");
  if (options.num_replicas < 1) refuse(options, "num_replicas must be at least 1");
  if (options.max_batch_size < 1) refuse(options, "max_batch_size must be at least 1");
  if (options.max_ongoing_requests < 1) refuse(options, "max_ongoing_requests must be at least 1");
  if (options.max_queued_requests < 1) refuse(options, "max_queued_requests must be at least 1");
  const auto check = [&](const char* field, double value, double least) {
    manta::detail::check_option("the deployment '" + options.name + "': " + field, value, least);
  };
  check("num_cpus", options.num_cpus, 0);
  check("num_gpus", options.num_gpus, 0);
  check("max_retries", options.max_retries, -1);
  check("batch_wait", static_cast<double>(options.batch_wait.count()), 0);
  check("start_timeout", static_cast<double>(options.start_timeout.count()), 1);
  check("health_check_period", static_cast<double>(options.health_check_period.count()), 1);
  check("graceful_shutdown_timeout", static_cast<double>(options.graceful_shutdown_timeout.count()), 0);
  if (options.health_check_timeout < options.health_check_period) {
    refuse(options, "health_check_timeout must be at least health_check_period");
  }
}

void deploy(Engine& engine, Deployable deployable) {
  check(deployable.options);
  const DeploymentOptions options = deployable.options;
  const std::shared_ptr<App> known = engine.execute([&]() -> std::shared_ptr<App> {
    const auto it = engine.apps().find(options.name);
    return it == engine.apps().end() ? nullptr : it->second;
  });
  // One more at a time where replicas hold resources, which there may be no room for twice.
  const bool one_by_one = known != nullptr && (options.num_cpus > 0 || options.num_gpus > 0);
  std::vector<Started> first = start(engine, deployable, one_by_one ? 1 : options.num_replicas);
  if (known == nullptr) {
    auto app = std::make_shared<App>(deployable, first.front().description);
    engine.execute([&] {
      for (Started& each : first) engine.add_replica(*app, std::move(each.link), each.number);
      app->publish();
      engine.apps()[options.name] = app;
    });
    return;
  }
  std::vector<ReplicaId> old;
  engine.execute([&] {
    for (const auto& [id, replica] : known->replicas) old.push_back(id);
    known->deployable = deployable;
    known->description = first.front().description;
    known->router.set_options(router_options(options, known->description));
  });
  std::size_t next_old = 0;
  for (int i = 0; i < options.num_replicas; ++i) {
    if (one_by_one && i > 0) first.push_back(std::move(start(engine, deployable, 1).front()));
    engine.execute([&] {
      Started& next = first[static_cast<std::size_t>(i)];
      engine.add_replica(*known, std::move(next.link), next.number);
      known->publish();
    });
    if (next_old < old.size()) end_replica(engine, known, old[next_old++]);
  }
  for (; next_old < old.size(); ++next_old) end_replica(engine, known, old[next_old]);
}

bool undeploy(Engine& engine, const std::string& name) {
  const std::shared_ptr<App> app = engine.execute([&]() -> std::shared_ptr<App> {
    auto node = engine.apps().extract(name);
    if (node.empty()) return nullptr;
    engine.retire(node.mapped());
    return node.mapped();
  });
  if (app == nullptr) return false;
  const auto deadline = Clock::now() + app->options().graceful_shutdown_timeout;
  while (engine.execute([&] { return app->router.queued() + app->router.ongoing() > 0; }) && Clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  engine.execute([&] {
    app->publish_none();
    for (const auto& [id, replica] : app->replicas) engine.replaced().add(*replica.link, Clock::now(), deadline);
    app->replicas.clear();
    engine.forget(app);
  });
  return true;
}

void end_all(Engine& engine, Clock::time_point deadline) {
  std::vector<WeakLink> left = engine.replaced().take();
  for (const auto& [name, app] : engine.apps()) {
    app->publish_none();
    for (const auto& [id, replica] : app->replicas) {
      // Else it runs a request whose client has left, for which nothing waits.
      if (app->router.idle(id)) await_calls(*replica.link, deadline);
      left.push_back(replica.link->weak());
    }
  }
  for (const auto& [name, app] : engine.apps()) app->replicas.clear();
  // What has no other handle ends by itself, as soon as messages about handles have arrived.
  const auto until = Clock::now() + 2 * detail::kRosterIsFresh;
  const auto ended = [](const WeakLink& replica) { return replica() == nullptr; };
  while (std::erase_if(left, ended), !left.empty() && Clock::now() < until) std::this_thread::sleep_for(kCallsLook);
  for (const WeakLink& replica : left) {
    if (const auto link = replica()) link->end();
  }
}

}  // namespace manta::serve
