// How good a policy is.
#pragma once

#include <cstdint>
#include <vector>

#include <manta/rl/environment_spec.h>
#include <manta/rl/policy.h>

namespace manta::rl {

/// For evaluate().
struct EvaluationOptions {
  std::int64_t episodes = 100;
  bool deterministic = true;
  std::uint64_t seed = 1'000'000;  ///< of the environments; another than the training's
  std::int64_t num_envs = 16;      ///< stepped together, at most one for each episode
  int num_threads = 1;             ///< of LibTorch
};

/// What evaluate() returns.
struct Evaluation {
  std::vector<double> returns;        ///< of each episode
  std::vector<std::int64_t> lengths;  ///< in steps
  double mean_return = 0;
  double std_return = 0;  ///< of the episodes (divided by their number, as NumPy does)
  double mean_length = 0;
};

/// Plays whole episodes. Each environment plays its share of them, so that short episodes are not counted more often
/// than long ones. Rewards are those of the environment, never normalised.
///
/// **Threading**: one thread; blocks. **Errors**: throws Error(invalid_argument) for invalid options, and
/// where the environment has other observations or actions than the policy.
Evaluation evaluate(Policy& policy, const EnvironmentSpec& environment, const EvaluationOptions& options = {});

}  // namespace manta::rl
