// fit(): attempts until one ends well.
//
// FIT-1: an attempt starts from the latest complete checkpoint in the run's folder, whoever wrote it.
// FIT-2: only a worker's death, or that something is unavailable to its loop, is a reason for another attempt; what else
//        user code throws goes to the caller.
// FIT-3: a death takes no report from the log: those before the latest checkpoint have arrived (SESSION-3), its own may
//        have died with rank 0 and is read from it, those after it are made again.
#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "train/group/run_folder.h"
#include "train/group/worker_group.h"

namespace manta::train::detail {

namespace {

void check(const ScalingConfig& scaling, const RunConfig& run) {
  const auto refuse = [](const std::string& what) { throw Error(ErrorCode::invalid_argument, "Trainer: " + what); };
  if (scaling.num_workers < 1) {
    refuse("ScalingConfig::num_workers is " + std::to_string(scaling.num_workers) + ". Next: ask for at least one.");
  }
  if (!(scaling.cpus_per_worker >= 0) || !std::isfinite(scaling.cpus_per_worker)) {
    refuse("ScalingConfig::cpus_per_worker is " + std::to_string(scaling.cpus_per_worker) + ". Next: give 0 or more.");
  }
  if (run.max_failures < -1)
    refuse("RunConfig::max_failures is " + std::to_string(run.max_failures) + ". Next: -1 is for ever.");
  if (std::min(run.join_timeout, run.collective_timeout) <= std::chrono::milliseconds::zero()) {
    refuse("RunConfig::join_timeout or collective_timeout is not positive. Next: give more than 0 ms.");
  }
}

std::string failure_text(const LostWorker& lost, int failures, const std::optional<Checkpoint>& latest) {
  std::string text = "Trainer: rank " + std::to_string(lost.rank) + " was lost in attempt " + std::to_string(failures) +
                     ", the last one allowed: " + lost.reason + " Next: ";
  if (latest) {
    text +=
        "run it again with RunConfig::resume to go on from " + latest->folder().string() + ", or raise max_failures.";
  } else {
    text += "raise RunConfig::max_failures, and report a checkpoint now and then, so that not all is done again.";
  }
  return text;
}

// The first SIGINT or SIGTERM; after it they do what they did before.
class Signals {
 public:
  Signals() : signals_(io_, SIGINT, SIGTERM) {
    signals_.async_wait([this](const boost::system::error_code& error, int signal) {
      if (error) return;
      received_ = true;
      signals_.clear();
      std::fprintf(stderr,
                   "manta: signal %d: the training ends with its next checkpoint; a second signal ends it at once\n",
                   signal);
    });
  }
  bool received() {
    io_.poll();
    return received_;
  }

 private:
  boost::asio::io_context io_;
  boost::asio::signal_set signals_;
  bool received_ = false;
};

TrainingResult run_attempts(const ScalingConfig& scaling, const RunConfig& run, const StartWorker& start) {
  Signals signals;
  const Reservation reservation(scaling);
  RunFolder folder(run);
  TrainingResult result;
  result.folder = folder.path();
  bool stop_wanted = false;
  std::optional<Checkpoint> latest = folder.checkpoints().latest();
  std::filesystem::path reported = latest ? latest->folder() : std::filesystem::path();
  const auto take = [&](SentReport& sent) {
    if (!sent.checkpoint.empty()) reported = sent.checkpoint;
    Report report{std::move(sent.metrics), folder.iterations() + 1, std::move(sent.checkpoint)};
    folder.record(report);
    if (run.on_report) run.on_report(report);
    if (run.stop && run.stop(report)) stop_wanted = true;
    result.metrics = std::move(report.metrics);
  };
  const auto interrupted = [&] { return signals.received(); };
  const auto stop = [&] { return interrupted() || stop_wanted; };
  for (;; ++result.restarts) {
    if (!reservation.await(interrupted)) {
      result.stopped = true;
      break;
    }
    WorkerSetup setup;
    setup.group = collective::new_name();
    setup.restarts = result.restarts;
    setup.use_gpu = scaling.use_gpu;
    setup.join_timeout = run.join_timeout;
    setup.collective_timeout = run.collective_timeout;
    setup.folder = folder.path().string();
    setup.checkpoints = run.checkpoint;
    if (latest) setup.resume_from = latest->folder().string();  // FIT-1
    std::optional<LostWorker> lost;
    {
      WorkerGroup group(scaling, reservation, std::move(setup), start);
      lost = group.follow(take, stop);
      result.stopped = group.stopped();
    }
    latest = folder.checkpoints().latest();
    if (!lost) break;
    if (latest && latest->folder() != reported) {  // FIT-3
      SentReport unsent{latest->metrics(), latest->folder().string()};
      take(unsent);
    }
    if (stop()) {
      result.stopped = true;
      break;
    }
    if (run.max_failures >= 0 && result.restarts >= run.max_failures) {  // FIT-2
      throw Error(ErrorCode::worker_died, failure_text(*lost, result.restarts + 1, latest));
    }
  }
  result.interrupted = result.stopped && interrupted();
  result.checkpoint = latest;
  result.best_checkpoint = folder.checkpoints().best();
  return result;
}

}  // namespace

TrainingResult fit(const ScalingConfig& scaling, const RunConfig& run, std::string_view loop,
                   const StartWorker& start) {
  check(scaling, run);
  try {
    return run_attempts(scaling, run, start);
  } catch (const TaskError& error) {
    TaskFailure failure = *error.task();
    failure.function = loop;  // the user's, not the method of ours that called it
    throw TaskError(Error(std::move(failure)));
  }
}

}  // namespace manta::train::detail
