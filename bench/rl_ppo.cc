// PPO on CartPole, by the program ppo_training: five seeds, one after the other in one process, after one that warms
// up.
#include <unistd.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "bench/areas.h"
#include "bench/child.h"

namespace manta::bench {

namespace {

std::string program() { return program_folder() + "/ppo_training"; }

void train(Harness& harness, const std::string& settings, std::string_view time_name, std::string_view rate_name) {
  Child child({program(), settings, std::to_string(Harness::kRuns)});
  std::istringstream printed(child.read_all());
  const std::string ended = child.wait();
  check(ended.empty(), program() + " " + settings + ": " + ended);
  std::vector<Run> times, rates;
  double seconds = 0, steps = 0, mean_return = 0, solved = 0, fewest = 0, most = 0;
  while (printed >> seconds >> steps >> mean_return) {
    times.push_back({seconds});
    rates.push_back({steps / seconds});
    solved += mean_return >= 475;
    fewest = fewest == 0 ? steps : std::min(fewest, steps);
    most = std::max(most, steps);
  }
  check(times.size() == Harness::kRuns && solved == Harness::kRuns, "every seed reaches a mean return of 475");
  harness.emit(time_name, "s", times, {{"solved", solved}, {"fewest_steps", fewest}, {"most_steps", most}});
  harness.emit(rate_name, "steps/s", rates);
}

// The whole program for one seed, from its start to its end.
void whole(Harness& harness, std::string_view name) {
  std::vector<Run> runs;
  for (int i = 0; i <= Harness::kRuns; ++i) {
    const Stopwatch watch;
    Child child({program(), "tuned", "1"});
    (void)child.read_all();
    check(child.wait().empty(), program());
    if (i > 0) runs.push_back({watch.seconds()});
  }
  harness.emit(name, "s", runs);
}

constexpr std::string_view kTime = "ppo CartPole, manta: time to mean return 475";
constexpr std::string_view kRate = "ppo CartPole, manta: env steps/s while training";
constexpr std::string_view kWhole = "ppo CartPole, manta: program start to end";
constexpr std::string_view kSb3Time = "ppo CartPole, manta (settings of stable-baselines3): time to mean return 475";
constexpr std::string_view kSb3Rate = "ppo CartPole, manta (settings of stable-baselines3): env steps/s while training";

}  // namespace

std::vector<Case> ppo_cases() {
  if (::access(program().c_str(), X_OK) != 0) return {};  // built without LibTorch
  return {{{kTime, kRate}, [](Harness& harness) { train(harness, "tuned", kTime, kRate); }},
          {{kSb3Time, kSb3Rate}, [](Harness& harness) { train(harness, "sb3", kSb3Time, kSb3Rate); }},
          {{kWhole}, [](Harness& harness) { whole(harness, kWhole); }}};
}

}  // namespace manta::bench
