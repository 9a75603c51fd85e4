#include <iostream>

#include <manta/rl/env.h>

namespace rl = manta::rl;

struct Corridor {
  static constexpr std::string_view kId = "Corridor";
  static constexpr std::int64_t kMaxEpisodeSteps = 100;
  static rl::Box observation_space() { return {{0}, {10}}; }
  static rl::ActionSpace action_space() { return rl::Discrete{2}; }

  void reset(rl::Rng&, std::span<float> observation) { observation[0] = x = 0; }
  rl::Transition step(std::int64_t action, std::span<float> observation) {
    observation[0] = x += action == 1 ? 1 : 0;
    return {.reward = 1, .terminated = x >= 10};
  }

  float x = 0;
};

// The return of the first episode of a policy.
template <class Policy>
double first_return(rl::VectorEnv& env, Policy policy) {
  std::vector<float> observation(env.observation_size()), reward(1);
  std::vector<std::uint8_t> terminated(1), truncated(1);
  env.reset(1, observation);
  while (env.finished_episodes().empty()) {
    const std::int64_t action = policy(observation);
    env.step(std::span(&action, 1), {observation, reward, terminated, truncated});
  }
  return env.finished_episodes()[0].episode_return;
}

int main() {
  rl::BatchEnv<Corridor> corridor(1);
  const double cart = first_return(*rl::make_env("CartPole-v1", 1), [](const std::vector<float>& at) {
    return 0.1F * at[0] + 0.3F * at[1] + 3 * at[2] + at[3] > 0;
  });
  std::cout << "consumer: " << cart << ' ' << first_return(corridor, [](const auto&) { return 1; }) << std::endl;
}
