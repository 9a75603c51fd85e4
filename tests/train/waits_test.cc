// Training workers that lack resources say so, and train when they get them.
#include "tests/train/waits_test.h"

#include <filesystem>

#include <gtest/gtest.h>

#include <manta/train/trainer.h>

namespace {

namespace train = manta::train;
using manta::e2e::hold;
using manta::e2e::Holder;
using manta::e2e::kHeldByHolder;

void one_report(train::Context& context) { context.report({{"step", 1}}); }

void expect_training(const manta::Actor<Holder>& holder, const train::ScalingConfig& scaling) {
  std::string folder = testing::TempDir() + "/waits_XXXXXX";
  const train::RunConfig run{.name = "run", .storage_path = ::mkdtemp(folder.data())};
  manta::e2e::run_held_up(holder, [&] {
    if (train::Trainer<one_report>(scaling, run).fit().metrics.at("step") != 1) manta::e2e::say("no report");
  });
  std::filesystem::remove_all(folder);
}

TEST(Waits, ATrainingWorkerWithoutAPlaceSaysSo) { manta::e2e::expect_lines(train_wait_rows); }

}  // namespace

// clang-format off
const std::vector<manta::e2e::WaitRow> train_wait_rows{
  {"training_cpu", {.num_cpus = 2}, {}, [] {
     const auto holder = manta::actor<Holder>.options({.num_cpus = 1})();
     hold(holder);
     expect_training(holder, {.num_workers = 2});
   }, "training on 2 workers with 1 CPU each waits: a bundle asks for CPU: 1, of CPU: 2 here . is free; " + kHeldByHolder
      + "( and 1 more)?; .*InitOptions::num_cpus", false},
  {"training_workers", {.num_cpus = 2, .max_workers = 2}, {}, [] {
     const auto holder = manta::actor<Holder>();
     hold(holder);
     expect_training(holder, {.num_workers = 2, .cpus_per_worker = 0});
   }, "training worker of rank 1 waits: all 2 worker processes of this node are in use.*" + kHeldByHolder
      + ".*InitOptions::max_workers", false},
};
// clang-format on
