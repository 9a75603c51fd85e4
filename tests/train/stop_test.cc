// Trainings that the loop, the program or a signal ends early, and what they keep.
#include <csignal>
#include <limits>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/train/training.h"

namespace {

namespace train = manta::train;
namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Stop : public ::testing::Test {
 protected:
  Stop() { storage_ = fs::temp_directory_path() / ("stop_test." + std::to_string(getpid())); }
  ~Stop() override { fs::remove_all(storage_); }
  train::RunConfig run() const { return {.name = "run", .storage_path = storage_, .tensorboard = false}; }

  fs::path storage_;
};

// Reports for ever, with a checkpoint every two steps; rank 1 stops the run at step stops_at; below 0: never.
void goes_on(train::Context& context, std::int64_t stops_at) {
  std::int64_t step = 0;
  train::State state;
  state.add("step", step);
  context.resume(state);
  while (true) {
    ++step;
    if (step == stops_at && context.rank() == 1) context.stop();
    const train::Metrics metrics{{"step", static_cast<double>(step)}};
    step % 2 == 0 ? context.report(metrics, state) : context.report(metrics);
  }
}

TEST_F(Stop, TheLoopStopsTheRun) {
  const auto result = train::Trainer<goes_on>({.num_workers = 2}, run()).fit(std::int64_t{5});
  EXPECT_TRUE(result.stopped);
  EXPECT_FALSE(result.interrupted);
  EXPECT_EQ(result.restarts, 0);
  EXPECT_EQ(result.metrics.at("step"), 6);
  EXPECT_EQ(result.checkpoint->step(), 6);
}

TEST_F(Stop, TheProgramStopsTheRun) {
  train::RunConfig config = run();
  config.stop = [](const train::Report& report) { return report.metrics.at("step") >= 3; };
  const auto result = train::Trainer<goes_on>({.num_workers = 2}, config).fit(std::int64_t{-1});
  EXPECT_TRUE(result.stopped);
  EXPECT_FALSE(result.interrupted);
  EXPECT_EQ(result.metrics.at("step"), static_cast<double>(result.checkpoint->step()));
}

TEST_F(Stop, ASignalEndsTheRunWellAndItGoesOnFromThere) {
  train::RunConfig config = run();
  bool raised = false;
  config.on_report = [&](const train::Report&) {
    if (!std::exchange(raised, true)) std::raise(SIGINT);
  };
  const auto result = train::Trainer<goes_on>({.num_workers = 2}, config).fit(std::int64_t{-1});
  EXPECT_TRUE(result.stopped);
  EXPECT_TRUE(result.interrupted);
  ASSERT_TRUE(result.checkpoint.has_value());
  EXPECT_EQ(result.metrics.at("step"), static_cast<double>(result.checkpoint->step()));
  config.on_report = nullptr;
  config.resume = true;
  const std::int64_t next = result.checkpoint->step() + 3;
  const auto resumed = train::Trainer<goes_on>({.num_workers = 2}, config).fit(next);
  EXPECT_TRUE(resumed.stopped);
  EXPECT_FALSE(resumed.interrupted);
  EXPECT_EQ(resumed.checkpoint->step(), next + 1);
}

// Calls should_stop() at each step.
void asks(train::Context& context) {
  std::int64_t step = 0;
  train::State state;
  state.add("step", step);
  while (!context.should_stop()) {
    if (++step == 4 && context.rank() == 0) context.stop();
  }
  if (step != 4)
    throw std::runtime_error("rank " + std::to_string(context.rank()) + " stopped at " + std::to_string(step));
  context.report({{"step", static_cast<double>(step)}}, state);
}

TEST_F(Stop, ALoopThatAsksStopsAtTheSameStepOnAllRanks) {
  const auto result = train::Trainer<asks>({.num_workers = 3, .cpus_per_worker = 0}, run()).fit();
  EXPECT_TRUE(result.stopped);
  EXPECT_EQ(result.checkpoint->step(), 4);
}

// --- each rank's state in a checkpoint

struct CountsImpl : torch::nn::Module {
  torch::nn::Linear linear = register_module("linear", torch::nn::Linear(2, 1));
  torch::Tensor seen = register_buffer("seen", torch::zeros({1}));
  torch::Tensor forward(const torch::Tensor& x) {
    seen += x.size(0);
    return linear(x);
  }
};
TORCH_MODULE(Counts);

// Rank 1 is killed after the first checkpoint.
void counts_by_rank(train::Context& context) {
  Counts network;
  train::DistributedDataParallel model(network, context.process_group(), {.broadcast_buffers = false});
  std::int64_t step = 0;
  train::State state;
  state.add("model", *network).add("step", step);
  context.resume(state);
  while (step < 4) {
    if (step == 3 && context.rank() == 1 && context.restarts() == 0) std::raise(SIGKILL);
    model(torch::ones({1 + context.rank(), 2})).sum().backward();
    ++step;
    const train::Metrics metrics{{"step", static_cast<double>(step)}};
    step % 2 == 0 ? context.report(metrics, state) : context.report(metrics);
  }
  const float expected = 4 * (1 + static_cast<float>(context.rank()));
  if (network->seen.item<float>() != expected)
    throw std::runtime_error("seen: " + std::to_string(network->seen.item<float>()));
}

TEST_F(Stop, BuffersOfEachRankSurviveADeath) {
  const auto result = train::Trainer<counts_by_rank>({.num_workers = 2}, run()).fit();
  EXPECT_EQ(result.restarts, 1);
  EXPECT_EQ(result.checkpoint->rank_buffers(1).at("model.seen").item<float>(), 8);
}

// --- NaN

void reports_nan(train::Context& context, bool as_step) {
  std::int64_t step = 0;
  train::State state;
  state.add("step", step);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double loss : {0.5, nan, 0.7})
    context.report({{"step", static_cast<double>(++step)}, {"loss", loss}}, state);
  if (as_step) context.report({{"step", nan}});
}

TEST_F(Stop, NanIsALossLikeOthersButNeverTheBestAndNoStep) {
  train::RunConfig config = run();
  config.checkpoint = {.score_attribute = "loss", .score_order = train::ScoreOrder::min};
  const auto result = train::Trainer<reports_nan>({.num_workers = 1}, config).fit(false);
  EXPECT_EQ(result.best_checkpoint->step(), 1);
  EXPECT_EQ(result.metrics.at("loss"), 0.7);
  config.resume = true;
  try {
    (void)train::Trainer<reports_nan>({.num_workers = 1}, config).fit(true);
    FAIL() << "it went on";
  } catch (const manta::Error& error) {
    EXPECT_EQ(error.code(), manta::ErrorCode::invalid_argument);
    EXPECT_THAT(error.what(), HasSubstr("\"step\" is nan"));
  }
}

}  // namespace
