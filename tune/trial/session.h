// A worker's side: it runs the trials of a batch, hands their reports over, and waits for decisions.
//
// SESSION-1: the tuner gets a trial's reports in order, each once, and before or with its end. With decisions: a report
//            that holds the metric is taken by ask() and answered by the next; without, no report waits for a decision.
// SESSION-2: a batch that takes long ends early: trials that have not begun go back to the tuner. ask() can take the
//            ends of trials before the batch ends.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <manta/detail/mutex.h>
#include <manta/tune/detail/launch.h>

#include "tune/trial/trial_files.h"

namespace manta::tune::detail {

// Threading: run and report by the thread of a batch, ask and leave by others.
class Session {
 public:
  using Objective = std::function<Metrics(Trial&, std::size_t)>;

  explicit Session(WorkerSetup setup) : setup_(std::move(setup)) {}

  BatchResult run(const std::vector<Assignment>& batch, const Objective& objective);
  void report(const Metrics& metrics);
  void constrain(const std::string& name, double value);
  std::filesystem::path folder();
  const Assignment& current() const { return *current_; }
  const WorkerSetup& setup() const { return setup_; }

  Update ask(const Question& question);
  void leave();

 private:
  Ended run_one(const Assignment& assignment, const std::function<Metrics(Trial&)>& objective);
  void log(std::int64_t iteration, const Metrics& metrics);
  // Makes the trial a failed one where it has no such result.
  void check_result(const std::string& metric, const char* is, Ended& ended) const;
  Decision wait_for_decision() MANTA_REQUIRES(mutex_);

  WorkerSetup setup_;

  // Of the trial that runs; its thread's.
  const Assignment* current_ = nullptr;
  std::int64_t iteration_ = 0;
  Metrics last_, constraints_;
  Decision decision_ = Decision::go_on;  // that has been made; anything but go_on ends it
  std::optional<TrialFiles> files_;

  manta::detail::Mutex mutex_;
  manta::detail::CondVar changed_;
  std::deque<std::size_t> queue_ MANTA_GUARDED_BY(mutex_);  // of the batch, not begun
  std::vector<SentReport> reports_ MANTA_GUARDED_BY(mutex_);
  std::vector<Ended> ended_ MANTA_GUARDED_BY(mutex_);
  bool waiting_ MANTA_GUARDED_BY(mutex_) = false;  // the last report waits for its decision
  std::optional<Decision> answer_ MANTA_GUARDED_BY(mutex_);
  bool left_ MANTA_GUARDED_BY(mutex_) = false;
};

}  // namespace manta::tune::detail
