// A run of an algorithm: where it is kept, what it reports, what comes out.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <manta/report/metrics.h>
#include <manta/train/checkpoint_store.h>

namespace manta::rl {

using Metrics = report::Metrics;

/// Of one iteration: a rollout and what was learnt from it.
struct Report {
  /// By the names of CleanRL and Stable-Baselines3: "charts/SPS", "rollout/ep_rew_mean", "losses/approx_kl" and so on.
  Metrics metrics;
  std::int64_t iteration = 0;                   ///< 1 for the first of the run, resumed ones included
  std::int64_t steps = 0;                       ///< of environments since the run's first start
  std::vector<std::int64_t> rollout_processes;  ///< ids of the rollout actors' processes; none: the learner's collected
};

/// A run's folder, checkpoints, rollout actors and output.
struct RunConfig {
  std::string name;                                      ///< of the run's folder; empty: ALGORITHM_DATE_TIME
  std::filesystem::path storage_path = "manta_results";  ///< where that folder is; empty: nothing is written at all
  bool resume = false;                                   ///< go on from the latest checkpoint in it, if it has one
  train::CheckpointConfig checkpoint{.num_to_keep = 1};  ///< score_attribute: one of Report::metrics
  std::int64_t checkpoint_every = 0;                     ///< iterations; 0: at the end of train() only
  /// Processes that collect; 0: the learner collects, which is fastest if a step takes microseconds.
  int num_rollout_actors = 0;
  double cpus_per_rollout_actor = 0;  ///< that each of them holds
  int max_actor_restarts = 100;       ///< of each actor that died; -1: for ever
  /// How long a rollout actor may take for its part of an iteration, its start included: then train() throws
  /// Error(deadline). 0: for ever; a line on the standard error says so every 30 s.
  std::chrono::seconds rollout_timeout{0};
  bool tensorboard = true;    ///< write an event file
  bool show_progress = true;  ///< a table on a terminal, rewritten in place; else a line every five seconds
  std::function<void(const Report&)> on_report;  ///< called by train(), in its thread, after each iteration
};

/// What train() returns.
struct TrainingResult {
  Metrics metrics;         ///< of the last iteration
  double mean_return = 0;  ///< of the last 100 episodes of the training
  double mean_length = 0;
  std::int64_t steps = 0;                       ///< of environments since the run's first start
  std::int64_t episodes = 0;                    ///< that ended since then
  bool reached_return = false;                  ///< it ended because of stop_at_return
  std::chrono::duration<double> time{};         ///< that this train() took
  std::int64_t replaced_actors = 0;             ///< rollout actors that had died
  std::optional<train::Checkpoint> checkpoint;  ///< the latest
  std::filesystem::path folder;                 ///< of the run; empty: nothing was written
};

}  // namespace manta::rl
