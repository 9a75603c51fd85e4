// Tune: how good the best of some trials is, on the functions and with the numbers of trials of the peers' ray_tune.py,
// over 20 seeds; and what a suggestion costs. Searchers alone, by ask and tell: no workers.
#include <array>
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

using std::numbers::pi;
using Point = std::vector<double>;

double branin(const Point& x) {
  const double bend = x[1] - 5.1 / (4 * pi * pi) * x[0] * x[0] + 5 / pi * x[0] - 6;
  return bend * bend + 10 * (1 - 1 / (8 * pi)) * std::cos(x[0]) + 10;
}
double hartmann6(const Point& x) {
  constexpr double kWeights[4] = {1, 1.2, 3, 3.2};
  constexpr double kA[4][6] = {
      {10, 3, 17, 3.5, 1.7, 8}, {.05, 10, 17, .1, 8, 14}, {3, 3.5, 1.7, 10, 17, 8}, {17, 8, .05, 10, .1, 14}};
  constexpr double kP[4][6] = {{1312, 1696, 5569, 124, 8283, 5886},
                               {2329, 4135, 8307, 3736, 1004, 9991},
                               {2348, 1451, 3522, 2883, 3047, 6650},
                               {4047, 8828, 8732, 5743, 1091, 381}};
  double sum = 0;
  for (int i = 0; i < 4; ++i) {
    double distance = 0;
    for (int j = 0; j < 6; ++j) distance += kA[i][j] * std::pow(x[static_cast<std::size_t>(j)] - 1e-4 * kP[i][j], 2);
    sum += kWeights[i] * std::exp(-distance);
  }
  return -sum;
}
double rosenbrock(const Point& x) {
  double sum = 0;
  for (std::size_t i = 0; i + 1 < x.size(); ++i)
    sum += 100 * std::pow(x[i + 1] - x[i] * x[i], 2) + std::pow(1 - x[i], 2);
  return sum;
}
double ackley(const Point& x) {
  double squares = 0, waves = 0;
  for (const double each : x) {
    squares += each * each;
    waves += std::cos(2 * pi * each);
  }
  const auto n = static_cast<double>(x.size());
  return -20 * std::exp(-.2 * std::sqrt(squares / n)) - std::exp(waves / n) + 20 + std::numbers::e;
}

template <int N, int Low, int High, int Thousandths = 0>
Point box(tune::Space& space) {
  constexpr double kMore = Thousandths / 1000.0;
  Point x;
  for (int i = 0; i < N; ++i) x.push_back(space.uniform("x" + std::to_string(i), Low - kMore, High + kMore));
  return x;
}
Point branin_space(tune::Space& space) { return {space.uniform("x0", -5, 10), space.uniform("x1", 0, 15)}; }

using tune::CmaEsOptions, tune::CmaEsSearcher, tune::HaltonSearcher, tune::RandomSearcher, tune::Searcher;
using tune::TpeOptions, tune::TpeSearcher;
enum class Kind { random, halton, tpe, tpe_univariate, cma_es, gp };

std::shared_ptr<Searcher> make(Kind kind, std::uint64_t seed) {
  switch (kind) {
    case Kind::random:
      return std::make_shared<RandomSearcher>(seed);
    case Kind::halton:
      return std::make_shared<HaltonSearcher>(seed);
    case Kind::tpe:
      return std::make_shared<TpeSearcher>(TpeOptions{.seed = seed});
    case Kind::tpe_univariate:
      return std::make_shared<TpeSearcher>(TpeOptions{.multivariate = false, .seed = seed});
    case Kind::cma_es:
      return std::make_shared<CmaEsSearcher>(CmaEsOptions{.seed = seed});
    case Kind::gp:
      break;
  }
  return std::make_shared<tune::GpSearcher>(tune::GpOptions{.seed = seed});
}

struct Named {
  Kind kind;
  std::string_view name;
};
constexpr std::array kKinds{Named{Kind::random, "random"}, Named{Kind::halton, "Halton"},
                            Named{Kind::tpe, "TPE"},       Named{Kind::tpe_univariate, "TPE univariate"},
                            Named{Kind::cma_es, "CMA-ES"}, Named{Kind::gp, "GP"}};
constexpr std::uint64_t kSeeds = 20;

// Lines of one function, in the order of kKinds.
template <auto Space, auto Function>
void quality(Harness& harness, const std::vector<std::string_view>& names, int trials, double optimum) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    std::vector<Run> runs;
    const Stopwatch watch;
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
      tune::AskTell<Space> study({.searcher = make(kKinds[i].kind, seed)});
      for (int n = 0; n < trials; ++n) {
        const auto trial = study.ask();
        study.tell(trial.number, Function(trial.config));
      }
      runs.push_back({.value = *study.best()->value});
    }
    const double each = 1e3 * watch.seconds() / static_cast<double>(kSeeds) / trials;
    harness.emit(names[i], "value", runs, {{"optimum", optimum}, {"ms_per_trial", each}});
  }
}

// with_gp: it is slow, so it runs where the peers' does.
std::vector<std::string_view> lines(std::string_view problem, bool with_gp = false) {
  static std::vector<std::unique_ptr<std::string>> kept;
  std::vector<std::string_view> names;
  for (const Named& each : kKinds) {
    if (each.kind == Kind::gp && !with_gp) continue;
    kept.push_back(std::make_unique<std::string>("quality: " + std::string(problem) + ", " + std::string(each.name) +
                                                 ", manta: median best"));
    names.push_back(*kept.back());
  }
  return names;
}

constexpr std::string_view kBranin = "Branin, 100 trials", kHartmann = "Hartmann6, 200 trials",
                           kRosenbrock = "Rosenbrock-5d, 200 trials", kAckley = "Ackley-10d, 300 trials";
constexpr std::string_view kSuggestTpe = "tune: suggest at 1000 trials x 20 parameters, TPE, manta",
                           kSuggestCma = "tune: suggest at 1000 trials x 20 parameters, CMA-ES, manta",
                           kSuggestGp = "tune: suggest at 1000 trials x 20 parameters, GP, manta";

// Of a study that another searcher has made so far: only the suggestions around the thousandth trial are timed.
void suggest(Harness& harness, Kind kind, std::string_view name, int timed = 100) {
  std::vector<Run> runs;
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    tune::AskTell<box<20, 0, 1>> before({.searcher = make(Kind::random, seed)});
    for (int i = 0; i < 1000; ++i) {
      const auto trial = before.ask();
      before.tell(trial.number, rosenbrock(trial.config));
    }
    std::vector<tune::TrialRecord> trials = before.trials();
    const auto searcher = make(kind, seed);
    const auto suggest_one = [&] {
      tune::TrialRecord trial{.number = static_cast<std::int64_t>(trials.size())};
      searcher->begin({trials, tune::Mode::min}, trial);
      Point x;
      for (const tune::Param& param : trials.front().params) {
        x.push_back(searcher->suggest(trial, param.name, param.distribution));
        trial.params.push_back({param.name, param.distribution, x.back()});
      }
      trial.status = tune::TrialStatus::complete;
      trial.value = rosenbrock(x);
      trials.push_back(std::move(trial));
    };
    suggest_one();  // takes in the history
    const Stopwatch watch;
    for (int i = 0; i < timed; ++i) suggest_one();
    runs.push_back(watch.stop(watch.seconds() * 1e3 / timed, false));
  }
  harness.emit(name, "ms", runs);
}

}  // namespace

std::vector<Case> tune_quality_cases() {
  return {
      {lines(kBranin, true), [](Harness& h) { quality<branin_space, branin>(h, lines(kBranin, true), 100, 0.397887); }},
      {lines(kHartmann, true),
       [](Harness& h) { quality<box<6, 0, 1>, hartmann6>(h, lines(kHartmann, true), 200, -3.32237); }},
      {lines(kRosenbrock), [](Harness& h) { quality<box<5, -5, 10>, rosenbrock>(h, lines(kRosenbrock), 200, 0); }},
      {lines(kAckley), [](Harness& h) { quality<box<10, -32, 32, 768>, ackley>(h, lines(kAckley), 300, 0); }},
      {{kSuggestTpe}, [](Harness& h) { suggest(h, Kind::tpe, kSuggestTpe); }},
      {{kSuggestCma}, [](Harness& h) { suggest(h, Kind::cma_es, kSuggestCma); }},
      {{kSuggestGp}, [](Harness& h) { suggest(h, Kind::gp, kSuggestGp, 16); }}};
}

}  // namespace manta::bench
