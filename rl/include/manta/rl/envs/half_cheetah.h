// HalfCheetah-v5: a two-legged body in a plane learns to run. Simulated by MuJoCo.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <manta/rl/environment.h>

namespace manta::rl {

/// Gymnasium's HalfCheetah-v5 with its defaults. Observation: 8 positions (without the body's own along the track) and
/// 9 velocities. Action: 6 torques of -1 to 1. Reward: the body's velocity (m/s) less 0.1 times the squares of the
/// torques. Never terminated. A step is 5 of MuJoCo's, 0.05 s.
///
/// MuJoCo's library is loaded when the first one is made: from MANTA_MUJOCO_LIBRARY, from where it was when Manta was
/// built (cmake/deps.sh rl puts it there), or by its name. **Errors**: Error(unavailable) where that fails, or where
/// Manta was built without MuJoCo's headers.
///
/// **Ownership**: a value; copies share the model.
class HalfCheetah {
 public:
  static constexpr std::string_view kId = "HalfCheetah-v5";
  static constexpr std::int64_t kMaxEpisodeSteps = 1000;

  HalfCheetah();
  HalfCheetah(const HalfCheetah& other);
  HalfCheetah& operator=(const HalfCheetah& other);
  HalfCheetah(HalfCheetah&&) noexcept;
  HalfCheetah& operator=(HalfCheetah&&) noexcept;
  ~HalfCheetah();

  static Box observation_space();
  static ActionSpace action_space();

  void reset(Rng& rng, std::span<float> observation);
  Transition step(std::span<const float> action, std::span<float> observation);

  template <class Archive>
  void save(Archive& archive) const {
    archive(state());
  }
  template <class Archive>
  void load(Archive& archive) {
    std::vector<double> values;
    archive(values);
    set_state(values);
  }

 private:
  struct Simulation;

  // MuJoCo's integration state: all that the next step depends on.
  std::vector<double> state() const;
  void set_state(const std::vector<double>& values);

  std::unique_ptr<Simulation> simulation_;
};

}  // namespace manta::rl
