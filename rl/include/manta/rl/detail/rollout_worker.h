// How steps are collected by an actor. Not for users: everything here may change.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <manta/actor.h>
#include <manta/detail/actor_status.h>
#include <manta/detail/label.h>
#include <manta/rl/batch_env.h>
#include <manta/rl/network_options.h>
#include <manta/rl/rollout.h>
#include <manta/rl/running_statistics.h>

namespace manta::rl::detail {

// What observations and rewards are divided by, where an algorithm asks for it.
struct Statistics {
  RunningStatistics observations;
  RunningStatistics returns;  // discounted sums of rewards
};

struct CollectorSetup {
  std::int64_t num_envs = 1;
  std::int64_t num_steps = 1;  // of each, in a round
  std::int64_t first_env = 0;  // index of the first among those of the whole run
  std::uint64_t seed = 0;      // of the run
  NetworkOptions network;
  bool normalize_observations = false;
  bool normalize_rewards = false;
  double gamma = 0.99;  // of the discounted sums
};

// A collector's input for a round.
struct Round {
  std::int64_t number = 0;   // since the run's first start
  torch::Tensor parameters;  // of the network, in one tensor
  Statistics statistics;     // of all rounds before
};

struct FinishedEpisode {
  std::int64_t step = 0;  // of the round, 1 for the first
  double episode_return = 0;
  std::int64_t length = 0;
};

struct Collected {
  Rollout rollout;
  std::vector<FinishedEpisode> episodes;  // in the order in which they ended
  Statistics seen;                        // in this round
  std::int64_t process = 0;               // that collected it
};

class Collector;

// A rollout actor but for its type of environments: it has its own of them, and its own copy of the policy.
class RolloutWorker {
 public:
  RolloutWorker(const CollectorSetup& setup, std::unique_ptr<VectorEnv> envs);
  ~RolloutWorker();
  RolloutWorker(const RolloutWorker&) = delete;
  RolloutWorker& operator=(const RolloutWorker&) = delete;

  Collected collect(const Round& round);
  std::string save_state();
  void load_state(const std::string& state);

 private:
  std::unique_ptr<Collector> collector_;
};

// Of environments that make_env() knows.
class NamedWorker : public RolloutWorker {
 public:
  static std::string_view manta_label() { return "rollout"; }
  NamedWorker(CollectorSetup setup, std::string id, EnvOptions options);
};

// Of the user's own.
template <Environment E>
class EnvironmentWorker : public RolloutWorker {
 public:
  static std::string_view manta_label() { return manta::detail::class_label<E>(); }
  EnvironmentWorker(CollectorSetup setup, EnvOptions options, E prototype)
      : RolloutWorker(setup,
                      std::make_unique<BatchEnv<E>>(static_cast<std::size_t>(setup.num_envs), options, prototype)) {}
};

// A rollout actor as the learner sees it.
struct StartedWorker {
  std::function<Ref<Collected>(const Ref<Round>&)> collect;
  std::function<Ref<std::string>()> save_state;
  std::function<Ref<void>(const std::string&)> load_state;
  std::function<void(const std::string&)> set_label;
  std::function<bool()> is_placed;  // it has a process
};

template <class W, class File, class... As>
StartedWorker start_worker(const ActorOptions& options, const As&... arguments) {
  const Actor<W> handle = actor<W, File>.options(options)(arguments...);
  return {[handle](const Ref<Round>& round) { return handle.template call<&RolloutWorker::collect, File>(round); },
          [handle] { return handle.template call<&RolloutWorker::save_state, File>(); },
          [handle](const std::string& state) { return handle.template call<&RolloutWorker::load_state, File>(state); },
          [handle](const std::string& label) { manta::detail::set_label(handle.entry(), label); },
          [handle] {
            const auto status = manta::detail::status_of(handle, false);
            return status.state != manta::detail::ActorStatus::State::starting || status.has_process;
          }};
}

}  // namespace manta::rl::detail
