#include "rl/rollout/collectors.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include <manta/error.h>
#include <manta/get.h>
#include <manta/remote.h>

namespace manta::rl::detail {
namespace {

// Of waiting for an actor, before the first line and between two.
constexpr std::chrono::seconds kSilence(30), kBetween(30);

std::string name_of(std::size_t actor) { return "rollout actor " + std::to_string(actor); }

}  // namespace

Collectors::Collectors(const EnvironmentSpec& environment, const CollectorSetup& setup,
                       const CollectorsOptions& options)
    : options_(options) {
  if (options.num_actors == 0) {
    own_ = std::make_unique<Collector>(setup, environment.make(static_cast<std::size_t>(setup.num_envs)));
    return;
  }
  if (options.num_actors < 0 || options.num_actors > setup.num_envs) {
    throw Error(ErrorCode::invalid_argument, "RunConfig::num_rollout_actors is " + std::to_string(options.num_actors) +
                                                 " for " + std::to_string(setup.num_envs) +
                                                 " environments. Next: give 0, or one for each environment at most.");
  }
  CollectorSetup part = setup;
  for (int i = 0; i < options.num_actors; ++i) {
    part.num_envs = setup.num_envs / options.num_actors + (i < setup.num_envs % options.num_actors ? 1 : 0);
    actors_.push_back(environment.start(part, {.num_cpus = options.cpus_per_actor,
                                               .max_restarts = options.max_restarts,
                                               .max_task_retries = options.max_restarts}));
    actors_.back().set_label(name_of(static_cast<std::size_t>(i)));
    part.first_env += part.num_envs;
  }
  processes_.resize(actors_.size());
}

std::vector<Collected> Collectors::collect(const Round& round) {
  std::vector<Collected> all;
  if (own_) {
    all.push_back(own_->collect(round));
    return all;
  }
  const Ref<Round> sent = put(round);  // once, for all of them to read in place
  std::vector<Ref<Collected>> refs;
  for (const StartedWorker& actor : actors_) refs.push_back(actor.collect(sent));
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < refs.size(); ++i) {
    all.push_back(await(i, refs[i], start));
    if (processes_[i] != 0 && processes_[i] != all.back().process) ++replaced_;
    processes_[i] = all.back().process;
  }
  return all;
}

Collected Collectors::await(std::size_t actor, const Ref<Collected>& part,
                            std::chrono::steady_clock::time_point start) {
  using std::chrono::nanoseconds;
  const std::string name = name_of(actor);
  nanoseconds said = kSilence;  // of waiting, at the next line
  for (;;) {
    const nanoseconds waited = std::chrono::steady_clock::now() - start;
    const nanoseconds limit = options_.timeout.count() > 0 ? std::min<nanoseconds>(options_.timeout, said) : said;
    auto result = try_get(part, std::max(limit - waited, nanoseconds(0)));
    if (result) return *std::move(result);
    const Error error = result.error();
    if (error.code() == ErrorCode::actor_died) {
      throw_error(error.with_context(name + " (raise RunConfig::max_actor_restarts)"));
    }
    if (error.code() != ErrorCode::deadline) throw_error(error);
    const std::string process = processes_[actor] == 0 ? "" : ", process " + std::to_string(processes_[actor]) + ",";
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limit).count();
    std::string text = name + process + " has not finished its part of a rollout for " + std::to_string(seconds) + " s";
    if (const std::string why = manta::detail::why_unresolved(&part.entry()); !why.empty()) text += ": " + why;
    const bool placed = actors_[actor].is_placed();
    text += placed ? ". Next: see what its environments wait for, or " : ". Next: see why it has no process, or ";
    if (limit == options_.timeout) throw Error(ErrorCode::deadline, text + "raise RunConfig::rollout_timeout.");
    // An actor that waits for a process says so itself.
    if (placed) std::fprintf(stderr, "manta: %sset RunConfig::rollout_timeout.\n", text.c_str());
    said += kBetween;
  }
}

std::vector<std::string> Collectors::save_states() {
  if (own_) return {own_->save_state()};
  std::vector<Ref<std::string>> refs;
  for (const StartedWorker& actor : actors_) refs.push_back(actor.save_state());
  std::vector<std::string> states;
  for (const auto& ref : refs) states.push_back(get(ref));
  return states;
}

void Collectors::load_states(const std::vector<std::string>& states) {
  const std::size_t expected = own_ ? 1 : actors_.size();
  if (states.size() != expected) {
    throw Error(ErrorCode::invalid_argument, "the checkpoint was made with the environments of " +
                                                 std::to_string(states.size()) + " processes, here are " +
                                                 std::to_string(expected) +
                                                 ". Next: give RunConfig::num_rollout_actors as it was.");
  }
  if (own_) return own_->load_state(states.front());
  std::vector<Ref<void>> refs;
  for (std::size_t i = 0; i < actors_.size(); ++i) refs.push_back(actors_[i].load_state(states[i]));
  for (const auto& ref : refs) get(ref);
}

}  // namespace manta::rl::detail
