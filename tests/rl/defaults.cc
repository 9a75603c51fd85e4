// rl_defaults FIRST_SEED LAST_SEED [CASE]: trains with the defaults of the options alone, and prints the mean return of
// 100 evaluation episodes for each seed. The exit status is 1 where one is below what its case asks for. CASE: part of
// a line's beginning, as "dqn" or "ppo CartPole".
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <manta/rl.h>

namespace {

namespace rl = manta::rl;

struct Case {
  const char* algorithm;
  const char* environment;
  std::int64_t steps;
  double asked;
};

constexpr Case kCases[] = {{"ppo", "CartPole-v1", 200'000, 475},
                           {"dqn", "CartPole-v1", 500'000, 475},
                           {"ppo", "Acrobot-v1", 500'000, -100},
                           {"dqn", "Acrobot-v1", 500'000, -100},
                           {"ppo", "Pendulum-v1", 1'000'000, -200}};

template <class Algorithm, class Options>
double trained(const Case& test, std::uint64_t seed) {
  Options options;
  options.seed = seed;
  options.total_steps = test.steps;
  rl::RunConfig run;
  run.storage_path.clear();
  run.show_progress = false;
  Algorithm algorithm(test.environment, options, run);
  (void)algorithm.train();
  return rl::evaluate(algorithm.policy(), test.environment, {.episodes = 100}).mean_return;
}

}  // namespace

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv);
  if (argc < 3) return 2;
  int below = 0;
  for (const Case& test : kCases) {
    const std::string name = std::string(test.algorithm) + " " + test.environment;
    if (argc > 3 && !name.starts_with(argv[3])) continue;
    std::printf("%s, %ld steps, at least %g:", name.c_str(), static_cast<long>(test.steps), test.asked);
    const auto start = std::chrono::steady_clock::now();
    const std::uint64_t last = std::strtoull(argv[2], nullptr, 10);
    for (std::uint64_t seed = std::strtoull(argv[1], nullptr, 10); seed <= last; ++seed) {
      const double mean = name.starts_with("ppo") ? trained<rl::Ppo, rl::PpoOptions>(test, seed)
                                                  : trained<rl::Dqn, rl::DqnOptions>(test, seed);
      below += mean >= test.asked ? 0 : 1;
      std::printf(" %.1f", mean);
      std::fflush(stdout);
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::printf(" (%.1f s)\n", seconds.count());
  }
  std::printf("%d below\n", below);
  return below == 0 ? 0 : 1;
}
