/// Proximal policy optimization.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include <manta/rl/environment_spec.h>
#include <manta/rl/network_options.h>
#include <manta/rl/policy.h>
#include <manta/rl/run.h>
#include <manta/rl/space.h>

namespace manta::rl {

/// Of PPO. An option that is std::optional and not set is chosen by the environment's actions, by resolved_for():
///
/// | option                 | Discrete | Box   |
/// |------------------------|---------:|------:|
/// | num_envs               |        4 |     1 |
/// | num_steps              |      128 |  2048 |
/// | num_minibatches        |        4 |    32 |
/// | update_epochs          |        4 |    10 |
/// | learning_rate          |     2e-3 |  3e-4 |
/// | entropy_coefficient    |     0.01 |     0 |
/// | normalize_observations |    false |  true |
/// | normalize_rewards      |    false |  true |
///
/// All defaults are CleanRL's (ppo.py and ppo_continuous_action.py), but for the learning rate of Discrete actions:
/// with CleanRL's 2.5e-4, two seeds of ten have not learnt CartPole after 200,000 steps. rl/README.md has what the
/// defaults reach.
struct PpoOptions {
  std::optional<std::int64_t> num_envs;         ///< stepped together
  std::optional<std::int64_t> num_steps;        ///< of each, between two updates
  std::optional<std::int64_t> num_minibatches;  ///< that num_envs * num_steps are divided into
  std::optional<std::int64_t> update_epochs;    ///< passes over them
  std::uint64_t seed = 1;
  std::int64_t total_steps = 500'000;    ///< of environments
  std::optional<double> stop_at_return;  ///< mean of the last 100 episodes at which to stop before

  std::optional<double> learning_rate;
  bool anneal_learning_rate = true;  ///< to 0 at total_steps, in a straight line
  double gamma = 0.99;
  double gae_lambda = 0.95;
  bool bootstrap_truncated = true;   ///< what a limit ended goes on with the value of its last observation; else with 0
  bool normalize_advantages = true;  ///< in each minibatch
  double clip_coefficient = 0.2;
  bool clip_value_loss = true;
  std::optional<double> entropy_coefficient;
  double value_coefficient = 0.5;
  double max_gradient_norm = 0.5;
  std::optional<double>
      target_kl;  ///< an update ends with the epoch after which approx_kl is above; not set: none does

  NetworkOptions network;
  std::optional<bool> normalize_observations;  ///< by running mean and variance, clipped to +-10
  std::optional<bool> normalize_rewards;       ///< by the running deviation of discounted returns, clipped to +-10

  /// These options with all of the table set. What is set already stays.
  PpoOptions resolved_for(const ActionSpace& actions) const;
};

/// PPO (Schulman et al. 2017, arXiv:1707.06347) with the details that Huang et al. found to matter ("The 37
/// Implementation Details of Proximal Policy Optimization", ICLR blog track 2022; CleanRL): vectorised environments,
/// orthogonal weights, Adam's epsilon of 1e-5, learning rate annealing, GAE, advantages normalised in each minibatch,
/// clipped value loss, entropy bonus, one gradient clipping for all parameters, a standard deviation that does not
/// depend on the state, actions clipped to the space when used, normalised and clipped observations and rewards. One
/// more, which CleanRL leaves out, is bootstrap_truncated (Pardo et al. 2018, arXiv:1712.00378).
///
/// Each iteration num_envs * num_steps are collected with the same weights, by the learner's process or by rollout
/// actors, then learnt from. The same seed gives the same training to the bit on the same machine, however many actors
/// collect (with normalisation: as long as their number is the same). An actor that is killed is replaced, and its part
/// of the iteration collected again, in new episodes.
///
/// **Threading**: one thread at a time. **Ownership**: it owns network, environments and actors. **Errors**: throws
/// Error(invalid_argument) for invalid options, and a run's folder that holds checkpoints without resume;
/// what environments throw; actor_died where an actor died more often than RunConfig allows.
///
///     manta::rl::Ppo ppo("CartPole-v1", {.total_steps = 500'000, .stop_at_return = 475}, {.name = "cartpole"});
///     manta::rl::TrainingResult result = ppo.train();
///     manta::rl::Evaluation e = manta::rl::evaluate(ppo.policy(), "CartPole-v1", {.episodes = 100});
class Ppo {
 public:
  /// Makes everything, and restores it where RunConfig::resume finds a checkpoint.
  explicit Ppo(EnvironmentSpec environment, PpoOptions options = {}, RunConfig run = {});
  ~Ppo();
  Ppo(Ppo&&) noexcept;
  Ppo& operator=(Ppo&&) noexcept;

  /// Blocks until total_steps or stop_at_return. Called again, it goes on from there (and ends at once).
  TrainingResult train();

  /// As trained so far; lives as long as the Ppo.
  Policy& policy();

 private:
  class Learner;
  std::unique_ptr<Learner> learner_;
};

}  // namespace manta::rl
