// Tune: how good the fronts of two and three objectives are after 200 trials, over 20 seeds, by their hypervolume;
// bench/tune_pareto.py has the same of Optuna. Searchers alone, by ask and tell.
#include <cmath>
#include <memory>
#include <numbers>
#include <string>
#include <string_view>
#include <vector>

#include <manta/tune.h>

#include "bench/areas.h"

namespace manta::bench {

namespace {

using Point = std::vector<double>;

// ZDT (Zitzler, Deb, Thiele, 2000) with 10 parameters.
template <int N>
Point zdt(const Point& x) {
  double sum = 0;
  for (std::size_t i = 1; i < x.size(); ++i) sum += x[i];
  const double g = 1 + 9 * sum / static_cast<double>(x.size() - 1), share = x[0] / g;
  if (N == 1) return {x[0], g * (1 - std::sqrt(share))};
  if (N == 2) return {x[0], g * (1 - share * share)};
  return {x[0], g * (1 - std::sqrt(share) - share * std::sin(10 * std::numbers::pi * x[0]))};
}
// DTLZ2 (Deb et al., 2002) with three objectives and 12 parameters.
Point dtlz2(const Point& x) {
  double g = 0;
  for (std::size_t i = 2; i < x.size(); ++i) g += (x[i] - 0.5) * (x[i] - 0.5);
  const double a = x[0] * std::numbers::pi / 2, b = x[1] * std::numbers::pi / 2;
  return {(1 + g) * std::cos(a) * std::cos(b), (1 + g) * std::cos(a) * std::sin(b), (1 + g) * std::sin(a)};
}

template <int N>
Point unit(tune::Space& space) {
  Point x;
  for (int i = 0; i < N; ++i) x.push_back(space.uniform("x" + std::to_string(i), 0, 1));
  return x;
}

constexpr int kTrials = 200;
constexpr std::uint64_t kSeeds = 20;

std::shared_ptr<tune::Searcher> make(std::string_view name, std::uint64_t seed) {
  if (name == "random") return std::make_shared<tune::RandomSearcher>(seed);
  if (name == "NSGA-II") return std::make_shared<tune::NsgaIISearcher>(tune::NsgaIIOptions{.seed = seed});
  if (name == "TPE") return std::make_shared<tune::TpeSearcher>(tune::TpeOptions{.seed = seed});
  return std::make_shared<tune::TpeSearcher>(tune::TpeOptions{.multivariate = true, .seed = seed});
}
constexpr std::string_view kSearchers[] = {"random", "NSGA-II", "TPE", "TPE multivariate"};

std::vector<std::string_view> lines(std::string_view problem) {
  static std::vector<std::unique_ptr<std::string>> kept;
  std::vector<std::string_view> names;
  for (const std::string_view searcher : kSearchers) {
    kept.push_back(std::make_unique<std::string>("pareto: " + std::string(problem) + ", 200 trials, " +
                                                 std::string(searcher) + ", manta: median hypervolume"));
    names.push_back(*kept.back());
  }
  return names;
}

template <auto Space, auto Function>
void problem(Harness& harness, std::string_view name, const Point& reference) {
  const std::vector<std::string_view> names = lines(name);
  const std::vector<tune::Mode> modes(reference.size(), tune::Mode::min);
  for (std::size_t i = 0; i < names.size(); ++i) {
    std::vector<Run> runs;
    const Stopwatch watch;
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
      tune::AskTell<Space> study({.modes = modes, .searcher = make(kSearchers[i], seed)});
      for (int n = 0; n < kTrials; ++n) {
        const auto trial = study.ask();
        study.tell(trial.number, Function(trial.config));
      }
      std::vector<Point> front;
      for (const std::size_t at : study.pareto_front()) front.push_back(study.trials()[at].values);
      runs.push_back({.value = tune::hypervolume(front, reference, modes)});
    }
    harness.emit(names[i], "volume", runs, {{"ms_per_trial", 1e3 * watch.seconds() / kSeeds / kTrials}});
  }
}

}  // namespace

std::vector<Case> tune_pareto_cases() {
  return {{lines("ZDT1"),
           [](Harness& h) {
             problem<unit<10>, zdt<1>>(h, "ZDT1", {1.1, 7});
           }},
          {lines("ZDT2"),
           [](Harness& h) {
             problem<unit<10>, zdt<2>>(h, "ZDT2", {1.1, 7});
           }},
          {lines("ZDT3"),
           [](Harness& h) {
             problem<unit<10>, zdt<3>>(h, "ZDT3", {1.1, 7});
           }},
          {lines("DTLZ2"), [](Harness& h) {
             problem<unit<12>, dtlz2>(h, "DTLZ2", {2.5, 2.5, 2.5});
           }}};
}

}  // namespace manta::bench
