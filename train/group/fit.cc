// fit(): repeats attempts until one succeeds.
//
// FIT-1: an attempt starts from the latest complete checkpoint in the run's folder, even another program's.
// FIT-2: only a worker's death, or Error(unavailable) from its loop, causes another attempt; the caller gets all other
//        exceptions of user code.
// FIT-3: a death loses no report: those before the latest checkpoint have arrived (SESSION-3), the checkpoint's own may
//        be lost with rank 0 and is read from the checkpoint, later ones are repeated.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <functional>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <manta/detail/check_option.h>
#include <manta/detail/restart_backoff.h>

#include "train/group/run_folder.h"
#include "train/group/worker_group.h"

namespace manta::train::detail {

namespace {

void check(const ScalingConfig& scaling, const RunConfig& run) {
  const auto refuse = [](const std::string& what) { throw Error(ErrorCode::invalid_argument, "Trainer: " + what); };
  if (scaling.num_workers < 1) {
    refuse("ScalingConfig::num_workers is " + std::to_string(scaling.num_workers) + ". Next: ask for at least one.");
  }
  manta::detail::check_option("Trainer: ScalingConfig::cpus_per_worker", scaling.cpus_per_worker, 0);
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

std::chrono::nanoseconds now() { return std::chrono::steady_clock::now().time_since_epoch(); }

// Backs off when attempts end again and again before their first report. Returns early when stop() returns true.
void wait_to_restart(std::chrono::nanoseconds delay, int restart, int most, const LostWorker& lost,
                     const std::function<bool()>& stop) {
  if (delay.count() == 0) return;
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(delay).count();
  std::fprintf(stderr, "manta: Trainer: rank %d was lost: %s Restart %d%s begins in %lld ms.\n", lost.rank,
               lost.reason.c_str(), restart, most < 0 ? "" : (" of " + std::to_string(most)).c_str(),
               static_cast<long long>(milliseconds));
  const std::chrono::nanoseconds until = now() + delay;
  while (now() < until && !stop()) {
    std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(until - now(), std::chrono::milliseconds(20)));
  }
}

// Catches the first SIGINT or SIGTERM; after it the previous handlers are back.
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
  std::optional<std::chrono::nanoseconds> reported_at;  // the time of this attempt's first report
  const auto take = [&](SentReport& sent) {
    if (!sent.checkpoint.empty()) reported = sent.checkpoint;
    Report report{std::move(sent.metrics), folder.iterations() + 1, std::move(sent.checkpoint)};
    folder.record(report);
    if (run.on_report) run.on_report(report);
    if (!reported_at) reported_at = now();
    if (run.stop && run.stop(report)) stop_wanted = true;
    result.metrics = std::move(report.metrics);
  };
  const auto interrupted = [&] { return signals.received(); };
  const auto stop = [&] { return interrupted() || stop_wanted; };
  manta::detail::RestartBackoff backoff;
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
    reported_at.reset();
    const std::chrono::nanoseconds began = now();
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
    if (now() - began > std::chrono::seconds(10)) reported_at = began;  // it ran long enough, though without a report
    if (reported_at) backoff.up(*reported_at);
    wait_to_restart(backoff.ended(now()), result.restarts + 1, run.max_failures, *lost, stop);
  }
  result.interrupted = result.stopped && interrupted();
  result.checkpoint = latest;
  result.best_checkpoint = folder.checkpoints().best();
  return result;
}

}  // namespace

TrainingResult fit(const ScalingConfig& scaling, const RunConfig& run, const StartWorker& start) {
  check(scaling, run);
  return run_attempts(scaling, run, start);
}

}  // namespace manta::train::detail
