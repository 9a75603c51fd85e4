// All searchers and schedulers in the suites that a program's own are held to.
#include <cstdint>
#include <memory>

#include <gtest/gtest.h>

#include <manta/tune.h>
#include <manta/tune/testing.h>

namespace manta::tune {
namespace {

using testing::SchedulerCase, testing::SchedulerSuite, testing::SearcherCase, testing::SearcherSuite;

template <class S>
std::shared_ptr<Searcher> plain(std::uint64_t seed) {
  return std::make_shared<S>(seed);
}
template <class S, class Options>
std::shared_ptr<Searcher> with_options(std::uint64_t seed) {
  return std::make_shared<S>(Options{.seed = seed});
}
std::shared_ptr<Searcher> tpe_alone(std::uint64_t seed) {
  return std::make_shared<TpeSearcher>(TpeOptions{.multivariate = false, .seed = seed});
}
std::shared_ptr<Searcher> nsga_ii(std::uint64_t seed) {
  return std::make_shared<NsgaIISearcher>(NsgaIIOptions{.population = 10, .seed = seed});
}
std::shared_ptr<Searcher> bohb(std::uint64_t seed) {
  return std::make_shared<BracketSearcher>(std::make_shared<HyperBand>(HyperBandOptions{.seed = seed}),
                                           [seed](int) { return with_options<TpeSearcher, TpeOptions>(seed); });
}

INSTANTIATE_TEST_SUITE_P(All, SearcherSuite,
                         ::testing::Values(SearcherCase{"Random", plain<RandomSearcher>},
                                           SearcherCase{"Halton", plain<HaltonSearcher>},
                                           SearcherCase{"Sobol", plain<SobolSearcher>},
                                           SearcherCase{"BruteForce", plain<BruteForceSearcher>, true, false},
                                           SearcherCase{"Tpe", with_options<TpeSearcher, TpeOptions>},
                                           SearcherCase{"TpeAlone", tpe_alone},
                                           SearcherCase{"CmaEs", with_options<CmaEsSearcher, CmaEsOptions>},
                                           SearcherCase{"Gp", with_options<GpSearcher, GpOptions>},
                                           SearcherCase{"NsgaII", nsga_ii}, SearcherCase{"Bohb", bohb}),
                         testing::name_of);

INSTANTIATE_TEST_SUITE_P(
    All, SchedulerSuite,
    ::testing::Values(
        SchedulerCase{"Asha", [] { return std::make_shared<Asha>(AshaOptions{.max_t = 20}); }},
        SchedulerCase{"AshaOfTwoBrackets",
                      [] { return std::make_shared<Asha>(AshaOptions{.max_t = 20, .brackets = 2}); }},
        SchedulerCase{"MedianStopping", [] { return std::make_shared<MedianStopping>(); }},
        SchedulerCase{"Percentile", [] { return std::make_shared<PercentileStopping>(); }},
        SchedulerCase{
            "Threshold",
            [] { return std::make_shared<ThresholdStopping>(ThresholdOptions{.mode = Mode::max, .lower = 0.2}); }},
        SchedulerCase{"Patient",
                      [] {
                        return std::make_shared<PatientStopping>(std::make_shared<MedianStopping>(),
                                                                 PatientOptions{.patience = 2});
                      }},
        SchedulerCase{"PatientAlone",
                      [] { return std::make_shared<PatientStopping>(nullptr, PatientOptions{.patience = 3}); }},
        SchedulerCase{"Wilcoxon", [] { return std::make_shared<WilcoxonStopping>(); }},
        SchedulerCase{"HyperBand", [] { return std::make_shared<HyperBand>(HyperBandOptions{.max_t = 20}); }}),
    testing::name_of);

}  // namespace
}  // namespace manta::tune
