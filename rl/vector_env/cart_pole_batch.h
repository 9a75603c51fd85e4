// CartPole in batches: what make_env("CartPole-v1") returns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <manta/rl/envs/cart_pole.h>
#include <manta/rl/make_env.h>
#include <manta/rl/vector_env.h>

#include "rl/vector_env/cart_pole_steps.h"

namespace manta::rl {

// The same trajectories as BatchEnv<CartPole>, to the bit, several carts to an instruction.
//
// CARTS-1: a cart is in `ended_` from its episode's end until it is reset; ended_ is in rising order.
// CARTS-2: with next_step, an ended cart stands at rest while the others step, and starts again after them.
class CartPoleBatch final : public VectorEnv {
 public:
  // steps: another way of stepping, for tests.
  CartPoleBatch(std::size_t num_envs, const EnvOptions& options, cart_pole::Steps steps = cart_pole::best_steps());

  std::string_view id() const override { return CartPole::kId; }
  std::size_t num_envs() const override { return generators_.size(); }
  AutoresetMode autoreset_mode() const override { return mode_; }
  const Box& observation_space() const override { return observation_space_; }
  const ActionSpace& action_space() const override { return action_space_; }
  void reset(std::uint64_t seed, std::span<float> observations) override;
  void reset_where(std::span<const std::uint8_t> mask, std::span<float> observations) override;
  void step(std::span<const std::int64_t> actions, const StepBatch& out) override;
  void step(std::span<const float> actions, const StepBatch& out) override;
  std::span<const EpisodeStatistics> finished_episodes() const override { return finished_; }
  std::string save_state() const override;
  void load_state(std::string_view state) override;

 private:
  static constexpr std::size_t kQuantities = 4;

  void start(std::size_t i, std::span<float> observations);
  void check_actions(std::span<const std::int64_t> actions) const;

  AutoresetMode mode_;
  std::int64_t limit_;
  cart_pole::Steps steps_;
  Box observation_space_;
  ActionSpace action_space_;
  std::vector<double> quantities_[kQuantities];
  std::vector<std::int64_t> lengths_;
  std::vector<Rng> generators_;
  std::vector<std::uint8_t> started_;  // 1 from the first reset on
  bool all_started_ = false;
  std::vector<std::uint32_t> ended_;
  std::vector<std::uint32_t> scratch_;  // num_envs
  std::vector<EpisodeStatistics> finished_;
};

}  // namespace manta::rl
