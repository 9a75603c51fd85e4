#include "serve/server/keeper.h"

#include <algorithm>
#include <utility>

#include <manta/detail/actor_status.h>
#include <manta/get.h>

namespace manta::serve {

using State = manta::detail::ActorStatus::State;

namespace {

constexpr std::chrono::milliseconds kLook{100};
constexpr std::chrono::milliseconds kLookForLost{
    3};  // while a replica is not ready: its process starts within milliseconds
constexpr std::chrono::seconds kPulseTimeout{10};
constexpr int kFailures = 3;

Liveness::Limits limits_of(const DeploymentOptions& options) {
  return {.period = options.health_check_period, .timeout = options.health_check_timeout};
}

}  // namespace

detail::Lifeline Keeper::line(const DeploymentOptions& options) {
  const manta::detail::MutexLock guard(making_);
  if (!pulse_) {
    pulse_ = manta::actor<detail::Pulse>.options({.max_restarts = -1, .max_task_retries = -1})();
    manta::detail::set_label(pulse_.entry(), "health actor of the server");
  }
  return {pulse_, next_++, std::max<std::int64_t>(options.health_check_period.count() / 2, 1)};
}

Actor<detail::Pulse> Keeper::pulse() {
  const manta::detail::MutexLock guard(making_);
  return pulse_;
}

bool Keeper::look(App& app, ReplicaId id, Router::Time now) {
  const auto it = app.replicas.find(id);
  if (it == app.replicas.end()) return false;
  App::Replica& replica = it->second;
  if (replica.starts_at) return false;
  try {
    const State state = replica.link->status(false).state;
    if (state == State::alive) {
      if (!replica.ready) started(app, id, replica, now);
      return true;
    }
    const std::string reason = replica.link->status(true).reason;
    down(app, id, replica, reason);
    if (state == State::dead) replica.starts_at = now + replica.backoff.ended(now.time_since_epoch());
  } catch (const Error& error) {
    down(app, id, replica, error.message());
    if (error.code() == ErrorCode::unavailable) ended_ = error;
  }
  return false;
}

void Keeper::started(App& app, ReplicaId id, App::Replica& replica, Router::Time now) {
  replica.ready = true;
  replica.reason.clear();
  replica.liveness.restarted();
  replica.backoff.up(now.time_since_epoch());
  app.router.set_ready(id, true);
  app.publish();
}

void Keeper::down(App& app, ReplicaId id, App::Replica& replica, std::string reason) {
  if (!reason.empty()) replica.reason = std::move(reason);
  replica.check = {};
  replica.failures = 0;
  if (!std::exchange(replica.ready, false)) return;
  app.router.set_ready(id, false);
  lost_(app, id);
  app.publish();
}

void Keeper::replace(App& app, App::Replica& replica, Router::Time now) {
  replica.starts_at.reset();
  try {
    const detail::Lifeline line = this->line(app.options());
    replica.link = app.deployable.start(line);
    replica.number = line.replica;
    replica.liveness = {};
  } catch (const Error& error) {
    replica.reason = error.message();
    replica.starts_at = now + replica.backoff.ended(now.time_since_epoch());
  }
}

void Keeper::look(const Apps& apps, Router::Time now) {
  next_look_ = kLook;
  for (const auto& app : apps) {
    for (auto& [id, replica] : app->replicas) {
      if (replica.starts_at && now >= *replica.starts_at) replace(*app, replica, now);
      if (look(*app, id, now)) {
        check_health(*app, replica, now);
      } else {
        next_look_ = kLookForLost;
      }
    }
    remind(*app);
  }
  if (!ended_) ask_pulse(apps, now);
}

void Keeper::remind(const App& app) {
  try {
    app.deployable.remind();
  } catch (const Error&) {
    // The runtime is ending.
  }
}

void Keeper::kill(App& app, App::Replica& replica) {
  ++app.counts.killed;
  replica.link->kill();
}

void Keeper::check_health(App& app, App::Replica& replica, Router::Time now) {
  if (!app.description.checks_health) return;
  try {
    if (!replica.check) {
      if (now - replica.checked < app.options().health_check_period) return;
      replica.checked = now;
      replica.check = replica.link->check_health();
      return;
    }
    if (!replica.check.ready()) return;  // it waits behind requests, or runs: its beats say for how long
    const auto result = try_get(std::exchange(replica.check, {}), std::chrono::nanoseconds(0));
    replica.failures = result ? 0 : replica.failures + (result.error().code() == ErrorCode::task_failed ? 1 : 0);
    if (replica.failures < kFailures) return;
    replica.failures = 0;
    kill(app, replica);
  } catch (const Error&) {
    replica.check = {};  // the runtime is ending
  }
}

// As often as the shortest period of all asks for.
void Keeper::ask_pulse(const Apps& apps, Router::Time now) {
  const Actor<detail::Pulse> pulse = this->pulse();
  if (!pulse) return;
  try {
    if (beats_) {
      if (!beats_.ready()) {
        if (now - asked_ < kPulseTimeout) return;
        asked_ = now;
        return manta::kill(pulse, {.restart = true});
      }
      const auto beats = try_get(std::exchange(beats_, {}), std::chrono::nanoseconds(0));
      if (beats) hear(apps, *beats, now);
      return;
    }
    std::optional<std::chrono::milliseconds> period;
    std::vector<std::uint64_t> numbers;
    for (const auto& app : apps) {
      const auto own = app->options().health_check_period;
      period = period ? std::min(*period, own) : own;
      for (const auto& [id, replica] : app->replicas) numbers.push_back(replica.number);
    }
    if (!period || now - asked_ < *period) return;
    asked_ = now;
    beats_ = pulse.call<&detail::Pulse::beats>(numbers);
  } catch (const Error&) {
    beats_ = {};
  }
}

void Keeper::hear(const Apps& apps, const std::vector<detail::Beat>& beats, Router::Time now) {
  for (const auto& app : apps) {
    const auto limits = limits_of(app->options());
    for (auto& [id, replica] : app->replicas) {
      const auto beat =
          std::find_if(beats.begin(), beats.end(), [&](const auto& each) { return each.replica == replica.number; });
      const bool known = beat != beats.end();
      const bool fresh = known && std::exchange(replica.heard, beat->count) != beat->count;
      if (!replica.ready) continue;
      const bool checks_too_long = fresh && beat->checking_ms >= limits.timeout.count();
      if (replica.liveness.hangs(replica.heard, now, limits) || checks_too_long) kill(*app, replica);
    }
  }
}

}  // namespace manta::serve
