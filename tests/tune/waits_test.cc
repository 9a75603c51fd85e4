// Trials for which there is no place: the tuner's workers say so, and run them when there is one.
#include "tests/tune/waits_test.h"

#include <gtest/gtest.h>

#include <manta/tune.h>

#include "tests/support/folder.h"

namespace {

namespace tune = manta::tune;
using manta::e2e::hold;
using manta::e2e::Holder;
using manta::e2e::kHeldByHolder;

struct Config {
  double x = 0;
};
Config line(tune::Space& space) { return {space.uniform("x", 0, 1)}; }
double square(tune::Trial&, const Config& config) { return config.x * config.x; }

void expect_trials(const manta::Actor<Holder>& holder, tune::TunerConfig config) {
  std::string folder = testing::TempDir() + "/waits_XXXXXX";
  config.metric = "loss";
  config.num_samples = 4;
  const tune::RunConfig run{.name = "study", .storage_path = ::mkdtemp(folder.data()), .verbose = false};
  manta::e2e::run_held_up(holder, [&] {
    const auto results = tune::Tuner<line, square>(config, run).fit();
    if (results.trials().size() != 4) manta::e2e::say("not all trials");
  });
  std::filesystem::remove_all(folder);
}

TEST(Waits, ATrialWithoutAPlaceSaysSo) { manta::e2e::expect_lines(tune_wait_rows); }

}  // namespace

// clang-format off
const std::vector<manta::e2e::WaitRow> tune_wait_rows{
  {"trial_cpu", {.num_cpus = 2}, {}, [] {
     const auto holder = manta::actor<Holder>.options({.num_cpus = 2})();
     hold(holder);
     expect_trials(holder, {});
   }, "worker 0 for trials of square and 1 more wait: the first asks for CPU: 1, of CPU: 2 here 0 is free; " + kHeldByHolder
      + "; .*InitOptions::num_cpus", false},
  {"trial_gpu", {.num_cpus = 2, .num_gpus = 1}, {}, [] {
     const auto holder = manta::actor<Holder>.options({.num_gpus = 1})();
     hold(holder);
     expect_trials(holder, {.gpus_per_trial = 1});
   }, "worker 0 for trials of square waits: it asks for GPU: 1, of GPU: 1 here 0 is free; " + kHeldByHolder
      + "; .*InitOptions::num_gpus", false},
};
// clang-format on
