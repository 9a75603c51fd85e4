// What environments did, remembered for a while.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <manta/rl/rng.h>
#include <manta/torch.h>

namespace manta::rl {

/// Size and sampling of a replay buffer.
struct ReplayOptions {
  std::int64_t capacity = 10'000;  ///< steps of one environment; the oldest are forgotten
  std::int64_t num_envs = 1;
  std::int64_t observation_size = 1;
  std::int64_t n_step = 1;  ///< rewards that a sample sums
  double gamma = 0.99;
};

/// A minibatch of B samples.
struct Transitions {
  torch::Tensor observations;  ///< float [B, O]
  torch::Tensor actions;       ///< int64 [B]
  torch::Tensor rewards;       ///< float [B]: r(t) + gamma r(t + 1) + ..., n_step of them or up to the episode's end
  torch::Tensor next_observations;  ///< float [B, O]: after the last of these
  torch::Tensor discounts;          ///< float [B]: of the value there: gamma^steps, 0 where the episode terminated
};

/// Uniform replay of Discrete actions (Mnih et al. 2015), with n-step returns (Sutton 1988; Hessel et al. 2018).
///
///     replay.add({observations, actions, rewards, next_observations, terminated, truncated});
///     Transitions batch = replay.sample(128, rng);
///
/// **Threading**: one thread at a time. **Ownership**: it holds copies. **Errors**: throws Error(invalid_argument) for
/// invalid options, rows of another size, and sample() before the first add().
class ReplayBuffer {
 public:
  explicit ReplayBuffer(const ReplayOptions& options);

  /// One step of all environments; next_observations: where each came to, the last observation of an episode that
  /// ended.
  struct Step {
    std::span<const float> observations;    ///< [num_envs, O]
    std::span<const std::int64_t> actions;  ///< [num_envs]
    std::span<const float> rewards;
    std::span<const float> next_observations;  ///< [num_envs, O]
    std::span<const std::uint8_t> terminated, truncated;
  };
  void add(const Step& step);

  /// Drawn with replacement. A sample that would go beyond the newest step is shorter.
  Transitions sample(std::int64_t count, Rng& rng) const;

  std::int64_t size() const { return steps_ * options_.num_envs; }  // samples to choose from

  /// All that it holds, for a checkpoint; restored in place.
  struct Contents {
    torch::Tensor observations, next_observations;  ///< [steps, num_envs, O]
    torch::Tensor actions, rewards;                 ///< [steps, num_envs]
    torch::Tensor ends;                             ///< uint8: 1 terminated, 2 truncated
  };
  Contents& contents() { return contents_; }
  std::int64_t& next() { return next_; }    // where the next step goes
  std::int64_t& steps() { return steps_; }  // that it holds

 private:
  ReplayOptions options_;
  std::int64_t limit_;  // steps of all environments
  Contents contents_;
  std::int64_t next_ = 0;
  std::int64_t steps_ = 0;
};

}  // namespace manta::rl
