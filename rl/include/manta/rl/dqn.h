// Deep Q-learning.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include <manta/rl/environment_spec.h>
#include <manta/rl/network_options.h>
#include <manta/rl/policy.h>
#include <manta/rl/run.h>

namespace manta::rl {

/// The defaults are those of CleanRL's dqn.py, but for double_dqn, n_step, replay_capacity, target_frequency, the
/// learning rate and its annealing: with CleanRL's, some seeds end with a network that has just unlearnt CartPole.
/// rl/README.md has what the defaults reach.
struct DqnOptions {
  std::int64_t num_envs = 1;  ///< stepped together
  std::uint64_t seed = 1;
  std::int64_t total_steps = 500'000;    ///< of environments, as all numbers of steps here
  std::optional<double> stop_at_return;  ///< mean of the last 100 episodes at which to stop before
  std::int64_t replay_capacity = 100'000;
  std::int64_t learning_starts = 10'000;  ///< steps before the first update
  std::int64_t train_frequency = 10;      ///< steps between two updates
  std::int64_t target_frequency = 2'000;  ///< steps between two copies of the network to the target network
  double target_rate = 1;                 ///< how much of it is copied
  std::int64_t batch_size = 128;
  std::int64_t n_step = 3;  ///< rewards before the target network's value
  double learning_rate = 1e-3;
  bool anneal_learning_rate = true;  ///< to 0 at total_steps, in a straight line
  double gamma = 0.99;
  double start_epsilon = 1, end_epsilon = 0.05;  ///< share of random actions
  double exploration_fraction = 0.5;             ///< of total_steps, over which it falls
  bool double_dqn = true;                        ///< the network chooses the action that the target network values
  bool huber_loss = false;                       ///< else squares
  std::optional<double> max_gradient_norm;       ///< not set: gradients are not clipped
  NetworkOptions network{{120, 84}, Activation::relu};
  std::int64_t report_steps = 1'000;  ///< an iteration, for Report and logs
};

/// DQN (Mnih et al. 2015) with double Q-learning (van Hasselt et al. 2016, arXiv:1509.06461) and n-step returns.
/// Discrete actions only. The same seed gives the same training to the bit on the same machine. A checkpoint holds the
/// replay too.
///
/// **Threading**: one thread at a time. **Ownership**: it owns network, replay and environments. **Errors**: throws
/// Error(invalid_argument) for invalid options, actions that are not Discrete, RunConfig::num_rollout_actors
/// other than 0 (the learner's process collects), and a run's folder that holds checkpoints without resume.
///
///     manta::rl::Dqn dqn("CartPole-v1", {.total_steps = 100'000, .stop_at_return = 475});
///     manta::rl::TrainingResult result = dqn.train();
class Dqn {
 public:
  explicit Dqn(EnvironmentSpec environment, DqnOptions options = {}, RunConfig run = {});
  ~Dqn();
  Dqn(Dqn&&) noexcept;
  Dqn& operator=(Dqn&&) noexcept;

  /// Blocks until total_steps or stop_at_return.
  TrainingResult train();

  /// As trained so far; lives as long as the Dqn. Not deterministic: end_epsilon of its actions are random.
  Policy& policy();

 private:
  class Learner;
  std::unique_ptr<Learner> learner_;
};

}  // namespace manta::rl
