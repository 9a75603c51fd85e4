// Proximal policy optimization.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include <manta/rl/environment_spec.h>
#include <manta/rl/network_options.h>
#include <manta/rl/policy.h>
#include <manta/rl/run.h>

namespace manta::rl {

// The defaults are CleanRL's for Discrete actions (ppo.py); continuous() gives those for Box
// (ppo_continuous_action.py).
struct PpoOptions {
  std::int64_t num_envs = 4;         // stepped together
  std::int64_t num_steps = 128;      // of each, between two updates
  std::int64_t num_minibatches = 4;  // that num_envs * num_steps are divided into
  std::int64_t update_epochs = 4;    // passes over them
  std::uint64_t seed = 1;
  std::int64_t total_steps = 500'000;    // of environments
  std::optional<double> stop_at_return;  // mean of the last 100 episodes at which to stop before

  double learning_rate = 2.5e-4;
  bool anneal_learning_rate = true;  // to 0 at total_steps, in a straight line
  double gamma = 0.99;
  double gae_lambda = 0.95;
  bool bootstrap_truncated = true;   // what a limit ended goes on with the value of its last observation; else with 0
  bool normalize_advantages = true;  // in each minibatch
  double clip_coefficient = 0.2;
  bool clip_value_loss = true;
  double entropy_coefficient = 0.01;
  double value_coefficient = 0.5;
  double max_gradient_norm = 0.5;
  std::optional<double> target_kl;  // an update ends with the epoch after which approx_kl is above

  NetworkOptions network;
  bool normalize_observations = false;  // by running mean and variance, clipped to +-10
  bool normalize_rewards = false;       // by the running deviation of discounted returns, clipped to +-10

  static PpoOptions continuous();
};

// PPO (Schulman et al. 2017, arXiv:1707.06347) with the details that Huang et al. found to matter ("The 37
// Implementation Details of Proximal Policy Optimization", ICLR blog track 2022; CleanRL): vectorised environments,
// orthogonal weights, Adam's epsilon of 1e-5, learning rate annealing, GAE, advantages normalised in each minibatch,
// clipped value loss, entropy bonus, one gradient clipping for all parameters, a standard deviation that does not
// depend on the state, actions clipped to the space when used, normalised and clipped observations and rewards. One
// more, which CleanRL leaves out, is bootstrap_truncated (Pardo et al. 2018, arXiv:1712.00378).
//
// Each iteration num_envs * num_steps are collected with the same weights, by the learner's process or by rollout
// actors, then learnt from. The same seed gives the same training to the bit on the same machine, however many actors
// collect (with normalisation: as long as their number is the same). An actor that is killed is replaced, and its part
// of the iteration collected again, in new episodes.
//
// Threading: one thread at a time. Ownership: it owns network, environments and actors. Errors: throws
// Error(invalid_argument) for options that make no sense, and a run's folder that holds checkpoints without resume;
// what environments throw; actor_died where an actor died more often than RunConfig allows.
//
//   manta::rl::Ppo ppo("CartPole-v1", {.total_steps = 500'000, .stop_at_return = 475}, {.name = "cartpole"});
//   manta::rl::TrainingResult result = ppo.train();
//   manta::rl::Evaluation e = manta::rl::evaluate(ppo.policy(), "CartPole-v1", {.episodes = 100});
class Ppo {
 public:
  // Makes everything, and restores it where RunConfig::resume finds a checkpoint.
  explicit Ppo(EnvironmentSpec environment, PpoOptions options = {}, RunConfig run = {});
  ~Ppo();
  Ppo(Ppo&&) noexcept;
  Ppo& operator=(Ppo&&) noexcept;

  // Blocks until total_steps or stop_at_return. Called again, it goes on from there (and ends at once).
  TrainingResult train();

  // As trained so far; lives as long as the Ppo.
  Policy& policy();

 private:
  class Learner;
  std::unique_ptr<Learner> learner_;
};

}  // namespace manta::rl
