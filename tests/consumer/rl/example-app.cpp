#include <iostream>

#include <manta/rl.h>

namespace rl = manta::rl;

// Which side the light is on: 0 or 1.
struct Light {
  static constexpr std::string_view kId = "Light";
  static constexpr std::int64_t kMaxEpisodeSteps = 10;
  static rl::Box observation_space() { return {{0}, {1}}; }
  static rl::ActionSpace action_space() { return rl::Discrete{2}; }

  void reset(rl::Rng& rng, std::span<float> observation) {
    side = static_cast<std::int64_t>(rng.below(2));
    observation[0] = static_cast<float>(side);
  }
  rl::Transition step(std::int64_t action, std::span<float> observation) {
    const double reward = action == side ? 1 : 0;
    side = 1 - side;
    observation[0] = static_cast<float>(side);
    return {.reward = reward};
  }

  std::int64_t side = 0;
};

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv);
  rl::PpoOptions options;
  options.learning_rate = 2.5e-3;
  options.stop_at_return = 9;
  rl::RunConfig run;
  run.storage_path.clear();
  run.num_rollout_actors = 2;
  run.show_progress = false;
  rl::Ppo ppo(rl::environment<Light>(), options, run);
  const bool learnt =
      ppo.train().reached_return && rl::evaluate(ppo.policy(), rl::environment<Light>()).mean_return == 10;
  std::cout << "consumer: " << (learnt ? "learnt" : "has learnt nothing") << std::endl;
}
