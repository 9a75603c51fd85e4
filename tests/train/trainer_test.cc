// Trainer with real worker processes: parity with one process, checkpoints, deaths, errors.
#include <fstream>
#include <map>
#include <thread>

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/train/training.h"

namespace {

namespace train = manta::train;
namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class Trainer : public ::testing::Test {
 protected:
  Trainer() {
    at::set_num_threads(1);
    storage_ = fs::temp_directory_path() / ("trainer_test." + std::to_string(getpid()));
  }
  ~Trainer() override { fs::remove_all(storage_); }

  train::RunConfig run(std::string name = "run") const { return {.name = std::move(name), .storage_path = storage_}; }
  train::TrainingResult train(const Course& course, const train::RunConfig& config, int workers = 2) const {
    return train::Trainer<train_small>({.num_workers = workers}, config).fit(course, images_);
  }

  fs::path storage_;
  manta::Ref<Images> images_ = manta::put(made_up_images(500));
};

bool same(const SmallNetwork& a, const SmallNetwork& b) {
  const auto left = a->parameters(), right = b->parameters();
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (!left[i].equal(right[i])) return false;
  }
  return true;
}

TEST_F(Trainer, TwoHundredStepsEqualOneProcessOnTheJoinedBatch) {
  const Course course{.steps = 200, .checkpoint_each = 200};
  const auto result = train(course, run());
  EXPECT_LT(distance(network_of(*result.checkpoint), train_alone(course, manta::get(images_))), 1e-5);
  EXPECT_EQ(result.restarts, 0);
  EXPECT_EQ(result.metrics.at("step"), 200);
}

TEST_F(Trainer, AnyNumberOfWorkersAndBucketsGivesTheSameNetwork) {
  const Course course{.steps = 20};
  const SmallNetwork alone = train_alone(course, manta::get(images_));
  for (const int workers : {1, 3}) {
    EXPECT_LT(distance(network_of(*train(course, run("w" + std::to_string(workers)), workers).checkpoint), alone),
              1e-5);
  }
  Course many = course;
  many.bucket_bytes = 512;  // almost each parameter has its own bucket
  EXPECT_LT(distance(network_of(*train(many, run("buckets")).checkpoint), alone), 1e-5);
}

TEST_F(Trainer, AKilledWorkerChangesNothingInTheResult) {
  Course course{.steps = 30, .checkpoint_each = 7, .dropout = true};
  const auto undisturbed = train(course, run("undisturbed"));
  for (const std::int64_t rank : {0, 1}) {
    course.dies_at = 17;
    course.dying_rank = rank;
    std::vector<double> steps;
    train::RunConfig config = run("killed" + std::to_string(rank));
    config.on_report = [&](const train::Report& report) { steps.push_back(report.metrics.at("step")); };
    const auto result = train(course, config);
    EXPECT_EQ(result.restarts, 1);
    EXPECT_TRUE(same(network_of(*result.checkpoint), network_of(*undisturbed.checkpoint))) << "rank " << rank;
    EXPECT_EQ(result.metrics, undisturbed.metrics);
    ASSERT_FALSE(steps.empty());
    EXPECT_EQ(steps.back(), 30);
    EXPECT_EQ(std::count(steps.begin(), steps.end(), 14), 1) << "the step of the checkpoint was done again";
    EXPECT_EQ(std::count(steps.begin(), steps.end(), 30), 1);
  }
}

// Rank 0 dies with reports that were not taken, the last of them a checkpoint's; the trainer is slow to take them.
TEST_F(Trainer, NoReportDiesWithAWorker) {
  for (const std::int64_t dies_at : {12, 14, 17}) {
    const Course course{.steps = 20, .checkpoint_each = 7, .dies_at = dies_at, .dying_rank = 0};
    std::map<std::int64_t, int> reports, checkpoints;  // by step
    train::RunConfig config = run("dies" + std::to_string(dies_at));
    config.on_report = [&](const train::Report& report) {
      const auto step = static_cast<std::int64_t>(report.metrics.at("step"));
      ++reports[step];
      if (!report.checkpoint.empty()) ++checkpoints[step];
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    };
    EXPECT_EQ(train(course, config).restarts, 1);
    EXPECT_EQ(reports.size(), 20U) << "killed before step " << dies_at + 1;
    EXPECT_EQ(checkpoints, (std::map<std::int64_t, int>{{7, 1}, {14, 1}, {20, 1}}));
    EXPECT_EQ(reports[14], 1);
  }
}

TEST_F(Trainer, TooManyDeathsEndTheTraining) {
  Course course{.checkpoint_each = 5, .dies_at = 8, .dies_always = true};
  train::RunConfig config = run();
  config.max_failures = 2;
  try {
    (void)train(course, config);
    FAIL() << "it went on";
  } catch (const manta::Error& error) {
    EXPECT_EQ(error.code(), manta::ErrorCode::worker_died);
    EXPECT_THAT(error.what(), HasSubstr("rank 1 was lost in attempt 3"));
    EXPECT_THAT(error.what(), HasSubstr("checkpoint_00000"));
  }
}

TEST_F(Trainer, WhatTheLoopThrowsArrivesOnce) {
  Course course{.throws_at = 3};
  int reports = 0;
  train::RunConfig config = run();
  config.on_report = [&](const train::Report&) { ++reports; };
  try {
    (void)train(course, config);
    FAIL() << "it went on";
  } catch (const manta::TaskError& error) {
    EXPECT_EQ(error.task()->type, "std::domain_error");
    EXPECT_THAT(error.what(), HasSubstr("train_small threw std::domain_error"));
    EXPECT_TRUE(error.task()->function.ends_with("train_small")) << error.task()->function;
    EXPECT_THAT(error.what(), HasSubstr("a bad batch"));
  }
  EXPECT_EQ(reports, 3);
}

TEST_F(Trainer, ASecondRunGoesOnWhereTheFirstEnded) {
  Course course{.steps = 12, .checkpoint_each = 12};
  (void)train(course, run());
  course.steps = 30;
  try {
    (void)train(course, run());
    FAIL() << "it overwrote a run";
  } catch (const manta::Error& error) {
    EXPECT_EQ(error.code(), manta::ErrorCode::invalid_argument);
    EXPECT_THAT(error.what(), HasSubstr("RunConfig::resume"));
  }
  train::RunConfig config = run();
  config.resume = true;
  const auto resumed = train(course, config);
  EXPECT_TRUE(same(network_of(*resumed.checkpoint), network_of(*train(course, run("at once")).checkpoint)));
}

TEST_F(Trainer, KeepsTheBestCheckpointsAndTheLatest) {
  Course course{.steps = 40, .checkpoint_each = 5};
  train::RunConfig config = run();
  config.checkpoint = {.num_to_keep = 2, .score_attribute = "loss", .score_order = train::ScoreOrder::min};
  std::vector<std::pair<double, std::string>> all;
  config.on_report = [&](const train::Report& report) {
    if (!report.checkpoint.empty()) all.emplace_back(report.metrics.at("loss"), report.checkpoint.string());
  };
  const auto result = train(course, config);
  ASSERT_GE(all.size(), 8U);
  EXPECT_EQ(result.checkpoint->folder().string(), all.back().second);
  std::sort(all.begin(), all.end());
  EXPECT_EQ(result.best_checkpoint->folder().string(), all.front().second);
  EXPECT_LE(std::count_if(fs::directory_iterator(result.folder), fs::directory_iterator(),
                          [](const auto& entry) { return entry.is_directory(); }),
            3);
}

TEST_F(Trainer, WritesLogsThatOthersRead) {
  const auto result = train({.steps = 3, .checkpoint_each = 3}, run());
  std::ifstream lines(result.folder / "result.json");
  std::string line;
  int count = 0;
  while (std::getline(lines, line)) count += line.find("\"loss\"") != std::string::npos ? 1 : 0;
  EXPECT_EQ(count, 3);
  EXPECT_TRUE(fs::exists(result.folder / "progress.csv"));
  const auto is_event_file = [](const auto& entry) {
    return entry.path().filename().string().starts_with("events.out.tfevents.");
  };
  EXPECT_EQ(std::count_if(fs::directory_iterator(result.folder), fs::directory_iterator(), is_event_file), 1);
}

void prints(train::Context& context, const std::string& file) {
  if (context.rank() == 1 && std::freopen(file.c_str(), "w", stdout) != nullptr) std::printf("what rank 1 had to say");
}

TEST_F(Trainer, WhatWorkersPrintIsNotLostWithThem) {
  const fs::path file = storage_ / "printed";
  (void)train::Trainer<prints>({.num_workers = 2}, run()).fit(file.string());
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (fs::file_size(file) == 0 && std::chrono::steady_clock::now() < deadline) sched_yield();  // its process ends
  std::string text;
  std::getline(std::ifstream(file), text);
  EXPECT_EQ(text, "what rank 1 had to say");
}

void keeps_the_first_rank_waiting(train::Context& context) {
  if (context.rank() == 1) ::pause();  // until the group is killed
  context.process_group()->barrier()->wait();
}

TEST_F(Trainer, ARankThatDoesNotComeIsNamed) {
  train::RunConfig config = run();
  config.collective_timeout = std::chrono::milliseconds(150);
  try {
    (void)train::Trainer<keeps_the_first_rank_waiting>({.num_workers = 2}, config).fit();
    FAIL() << "it went on";
  } catch (const manta::Error& error) {
    EXPECT_EQ(error.code(), manta::ErrorCode::deadline);
    EXPECT_THAT(error.what(), HasSubstr("rank 1 of 2 did not come within 150 ms"));
  }
}

void leaves_the_first_rank_alone(train::Context& context) {
  if (context.rank() == 0) context.process_group()->barrier()->wait();
}

TEST_F(Trainer, ARankThatReturnsEarlyIsNamedAtOnce) {
  train::RunConfig config = run();
  config.collective_timeout = std::chrono::hours(1);
  const auto began = std::chrono::steady_clock::now();
  try {
    (void)train::Trainer<leaves_the_first_rank_alone>({.num_workers = 2}, config).fit();
    FAIL() << "it went on";
  } catch (const manta::Error& error) {
    EXPECT_EQ(error.code(), manta::ErrorCode::invalid_argument);
    EXPECT_THAT(error.what(),
                HasSubstr("the loop of rank 1 returned while that of rank 0 was in a collective operation"));
    EXPECT_THAT(error.what(), HasSubstr("has left the group"));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(30));
}

void has_one_thread(train::Context&) {
  if (at::get_num_threads() != 1) throw std::runtime_error(std::to_string(at::get_num_threads()) + " threads");
}

TEST_F(Trainer, AWorkerWithoutCpusOfItsOwnHasOneThread) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_NO_THROW((void)train::Trainer<has_one_thread>({.num_workers = 3, .cpus_per_worker = 0}, run()).fit());
  }
}

void multiplies_wrong_shapes(train::Context&) { (void)torch::mm(torch::ones({2, 3}), torch::ones({2, 3})); }

TEST_F(Trainer, AnErrorOfLibTorchArrivesWithItsMessageAlone) {
  try {
    (void)train::Trainer<multiplies_wrong_shapes>({.num_workers = 1}, run()).fit();
    FAIL() << "it went on";
  } catch (const manta::TaskError& error) {
    EXPECT_THAT(error.what(), HasSubstr("mat1 and mat2 shapes cannot be multiplied"));
    EXPECT_THAT(error.what(), Not(HasSubstr("frame #")));
    EXPECT_THAT(error.what(), Not(HasSubstr("Exception raised from")));
  }
}

TEST_F(Trainer, RefusesWhatCannotWork) {
  const auto code_of = [&](const train::ScalingConfig& scaling, const train::RunConfig& config) {
    try {
      (void)train::Trainer<train_small>(scaling, config).fit(Course{}, images_);
    } catch (const manta::Error& error) {
      return error.code();
    }
    return manta::ErrorCode::internal;
  };
  EXPECT_EQ(code_of({.num_workers = 0}, run("a")), manta::ErrorCode::invalid_argument);
  EXPECT_EQ(code_of({.num_workers = 1, .cpus_per_worker = 1000}, run("b")), manta::ErrorCode::invalid_argument);
  EXPECT_EQ(code_of({.num_workers = 1000}, run("d")), manta::ErrorCode::invalid_argument);
  train::RunConfig nowhere = run("c");
  nowhere.storage_path = "/proc/nowhere";
  EXPECT_EQ(code_of({.num_workers = 1}, nowhere), manta::ErrorCode::not_found);
}

}  // namespace
