// Steps a vector environment as parity_test.py says, and writes what comes out as raw bytes.
//
//   rl_parity ID NUM_ENVS MODE SEED [normalize] <actions >results
//   rl_parity rng SEED COUNT >results          COUNT uniform numbers, then COUNT normal ones, as doubles
//
// actions: int64 or float32, [steps, num_envs, action size]. results: the observations of reset(), then for each step
// observations, rewards, terminated, truncated, final observations, and a count of finished episodes followed by
// (env, return, length) of each as three doubles.
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <manta/rl/make_env.h>
#include <manta/rl/rng.h>
#include <manta/rl/wrappers.h>

namespace {

using namespace manta::rl;

template <class T>
void put(const std::vector<T>& values) {
  std::fwrite(values.data(), sizeof(T), values.size(), stdout);
}

AutoresetMode mode_named(const std::string& name) {
  for (const auto mode : {AutoresetMode::next_step, AutoresetMode::same_step, AutoresetMode::disabled}) {
    if (to_string(mode) == name) return mode;
  }
  throw std::runtime_error("no autoreset mode " + name);
}

template <class Action>
void run(VectorEnv& env, std::uint64_t seed) {
  const std::size_t n = env.num_envs();
  std::vector<Action> actions(n * action_size(env.action_space()));
  std::vector<float> observations(n * env.observation_size()), final_observations(observations.size()), rewards(n);
  std::vector<std::uint8_t> terminated(n), truncated(n), ended(n);
  env.reset(seed, observations);
  put(observations);
  while (std::fread(actions.data(), sizeof(Action), actions.size(), stdin) == actions.size()) {
    env.step(std::span<const Action>(actions), {observations, rewards, terminated, truncated, final_observations});
    put(observations), put(rewards), put(terminated), put(truncated), put(final_observations);
    std::vector<double> episodes{static_cast<double>(env.finished_episodes().size())};
    for (const auto& [index, episode_return, length] : env.finished_episodes()) {
      episodes.insert(episodes.end(), {static_cast<double>(index), episode_return, static_cast<double>(length)});
    }
    put(episodes);
    if (env.autoreset_mode() != AutoresetMode::disabled) continue;
    bool any = false;
    for (std::size_t i = 0; i < n; ++i) {
      ended[i] = terminated[i] | truncated[i];
      any = any || ended[i] != 0;
    }
    if (any) {
      env.reset_where(ended, observations);
      put(observations);
    }
  }
}

void draw(std::uint64_t seed, std::size_t count) {
  Rng rng(seed);
  std::vector<double> numbers(2 * count);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = i < count ? rng.uniform() : rng.normal();
  put(numbers);
}

}  // namespace

int main(int argc, char** argv) try {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() == 3 && arguments[0] == "rng") {
    draw(std::stoull(arguments[1]), std::stoul(arguments[2]));
    return 0;
  }
  if (arguments.size() < 4) throw std::runtime_error("usage: rl_parity ID NUM_ENVS MODE SEED [normalize]");
  auto env = make_env(argv[1], std::stoul(argv[2]), {.autoreset = mode_named(argv[3])});
  if (arguments.back() == "normalize") {
    env = std::make_unique<NormalizeReward>(std::make_unique<NormalizeObservation>(std::move(env)));
  }
  if (std::holds_alternative<Discrete>(env->action_space())) {
    run<std::int64_t>(*env, std::stoull(argv[4]));
  } else {
    run<float>(*env, std::stoull(argv[4]));
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "rl_parity: %s\n", error.what());
  return 1;
}
