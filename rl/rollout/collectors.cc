#include "rl/rollout/collectors.h"

#include <manta/error.h>
#include <manta/get.h>
#include <manta/remote.h>

namespace manta::rl::detail {

Collectors::Collectors(const EnvironmentSpec& environment, const CollectorSetup& setup,
                       const CollectorsOptions& options) {
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
  for (std::size_t i = 0; i < refs.size(); ++i) {
    try {
      all.push_back(get(refs[i]));
    } catch (const Error& error) {
      if (error.code() != ErrorCode::actor_died) throw;
      throw error.with_context("rollout actor " + std::to_string(i) + " (raise RunConfig::max_actor_restarts)");
    }
    if (processes_[i] != 0 && processes_[i] != all.back().process) ++replaced_;
    processes_[i] = all.back().process;
  }
  return all;
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
