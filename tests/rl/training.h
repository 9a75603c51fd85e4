// What tests of trainings share.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <manta/rl.h>

// Runs in a folder that goes away.
class Training : public ::testing::Test {
 protected:
  Training() : storage_(std::filesystem::temp_directory_path() / ("rl_test." + std::to_string(::getpid()))) {}
  ~Training() override { std::filesystem::remove_all(storage_); }

  manta::rl::RunConfig run(std::string name, int actors = 0) const {
    manta::rl::RunConfig config;
    config.name = std::move(name);
    config.storage_path = storage_;
    config.num_rollout_actors = actors;
    config.show_progress = false;
    return config;
  }
  // Nothing is written.
  static manta::rl::RunConfig quiet(int actors = 0) {
    manta::rl::RunConfig config;
    config.storage_path.clear();
    config.num_rollout_actors = actors;
    config.show_progress = false;
    return config;
  }

  std::filesystem::path storage_;
};

// What a training reported, iteration by iteration, but for what depends on the clock.
using Curve = std::vector<manta::rl::Metrics>;

inline void record(manta::rl::RunConfig& config, Curve& curve) {
  config.on_report = [&curve](const manta::rl::Report& report) {
    manta::rl::Metrics metrics = report.metrics;
    for (const char* clock : {"charts/SPS", "time/fps", "time/time_elapsed"}) metrics.erase(clock);
    for (auto& [name, value] : metrics) value = value == value ? value : -1e9;  // NaN is equal to NaN here
    curve.push_back(metrics);
  };
}
