#include "tune/trial/session.h"

#include <chrono>
#include <cmath>
#include <utility>

#include <manta/detail/thrown.h>
#include <manta/error.h>
#include <manta/report/text.h>

namespace manta::tune::detail {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kLongBatch = std::chrono::milliseconds(2);
constexpr std::size_t kMostReports = 100'000;  // that wait to be taken

// Of the exception that is being handled.
std::string exception_text() {
  const manta::detail::Thrown thrown = manta::detail::describe_thrown();
  return thrown.text.empty() ? thrown.type : thrown.type + ": " + thrown.text;
}

// Throws Error for a metric without a name.
void check_names(const Metrics& metrics) {
  if (metrics.empty() || !metrics.begin()->first.empty()) return;
  throw Error(ErrorCode::invalid_argument,
              "Trial: a metric has the empty name. Next: give each metric a name, by which files and tables show it.");
}

// The number of a report that brings its own.
std::int64_t given_iteration(double number) {
  constexpr double kMost = 9007199254740992;  // 2^53: above, doubles leave integers out
  if (number >= 0 && number <= kMost && std::trunc(number) == number) return static_cast<std::int64_t>(number);
  throw Error(ErrorCode::invalid_argument, "Trial::report: training_iteration is " + report::as_number(number) +
                                               ". Next: give a whole number, 0 or more, or leave it out.");
}

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

}  // namespace

BatchResult Session::run(const std::vector<Assignment>& batch, const Objective& objective) {
  {
    const manta::detail::MutexLock lock(mutex_);
    for (std::size_t i = 0; i < batch.size(); ++i) queue_.push_back(i);
  }
  const Clock::time_point start = Clock::now();
  for (;;) {
    std::size_t at = 0;
    {
      const manta::detail::MutexLock lock(mutex_);
      if (queue_.empty()) break;
      at = queue_.front();
      queue_.pop_front();
    }
    Ended ended = run_one(batch[at], [&](Trial& trial) { return objective(trial, at); });
    const manta::detail::MutexLock lock(mutex_);
    ended_.push_back(std::move(ended));
    if (Clock::now() - start > kLongBatch) break;  // SESSION-2
  }
  const manta::detail::MutexLock lock(mutex_);
  queue_.clear();
  return {std::exchange(reports_, {}), std::exchange(ended_, {})};  // SESSION-1
}

Ended Session::run_one(const Assignment& assignment, const std::function<Metrics(Trial&)>& objective) {
  current_ = &assignment;
  iteration_ = 0;
  last_.clear();
  constraints_.clear();
  decision_ = Decision::go_on;
  const Clock::time_point start = Clock::now();
  Ended ended{.trial = assignment.number, .metrics = {}, .error = {}};
  Metrics returned;
  try {
    Trial trial(*this);
    returned = objective(trial);
    check_names(returned);
  } catch (const TrialStopped&) {
    // as decision_ says; where user code throws it by itself, the trial has ended early all the same
    if (decision_ == Decision::go_on) decision_ = Decision::stop;
  } catch (...) {
    ended.error = exception_text();
  }
  ended.seconds = seconds_since(start);
  ended.metrics = std::move(last_);
  ended.constraints = std::move(constraints_);
  for (const auto& [name, value] : returned) ended.metrics[name] = value;
  check_result(setup_.metric, "TunerConfig::metric", ended);
  for (const std::string& metric : setup_.more_metrics) check_result(metric, "one of TunerConfig::objectives", ended);
  ended.status = !ended.error.empty()          ? TrialStatus::failed
                 : decision_ == Decision::stop ? TrialStatus::stopped
                                               : TrialStatus::complete;
  if (files_) files_->end(ended.status != TrialStatus::failed);
  files_.reset();
  current_ = nullptr;
  return ended;
}

void Session::check_result(const std::string& metric, const char* is, Ended& ended) const {
  if (!ended.error.empty()) return;
  if (!ended.metrics.contains(metric)) {
    // A trial that was stopped has reported what it was stopped for, which is enough.
    if (decision_ == Decision::stop && metric != setup_.metric) return;
    ended.error = "the objective neither returned nor reported '" + metric + "', which is " + is +
                  ". Next: report it, or name another metric.";
    return;
  }
  // As in Optuna, whose best trial would be this one otherwise; of a trial that was stopped the value does not count.
  if (decision_ != Decision::stop && std::isnan(ended.metrics.at(metric))) {
    ended.error = "its result, the metric '" + metric +
                  "', is NaN. Next: see what makes it so; return infinity where a trial shall count as the worst.";
  }
}

void Session::constrain(const std::string& name, double value) {
  if (name.empty() || std::isnan(value)) {
    throw Error(ErrorCode::invalid_argument, "Trial::constrain: the constraint '" + name + "' " +
                                                 (name.empty() ? "has no name" : "is NaN") +
                                                 ". Next: give a name, and a number, which may be infinite.");
  }
  constraints_[name] = value;
}

void Session::report(const Metrics& metrics) {
  if (decision_ != Decision::go_on) throw TrialStopped();
  check_names(metrics);
  const auto given = metrics.find("training_iteration");
  iteration_ = given == metrics.end() ? iteration_ + 1 : given_iteration(given->second);
  last_ = metrics;
  if (!files_) files_.emplace(setup_, *current_);
  files_->report(iteration_, metrics);
  manta::detail::MutexLock lock(mutex_);
  const bool decided = setup_.decisions && metrics.contains(setup_.metric);
  while (!decided && reports_.size() >= kMostReports && !setup_.decisions && !left_) changed_.wait(mutex_);
  for (SentReport& earlier : files_->take_earlier()) reports_.push_back(std::move(earlier));
  reports_.push_back({current_->number, iteration_, metrics});
  if (!decided) return;
  decision_ = wait_for_decision();
  lock.unlock();
  if (decision_ != Decision::go_on) throw TrialStopped();
}

Decision Session::wait_for_decision() {
  waiting_ = true;
  answer_.reset();
  changed_.notify_all();
  while (!answer_ && !left_) changed_.wait(mutex_);
  waiting_ = false;
  return answer_.value_or(Decision::stop);
}

std::filesystem::path Session::folder() {
  if (!files_) files_.emplace(setup_, *current_);
  return files_->folder();
}

Update Session::ask(const Question& question) {
  const manta::detail::MutexLock lock(mutex_);
  Update update;
  if (question.trial >= 0) {
    answer_ = question.decision;
    waiting_ = false;
    changed_.notify_all();
  }
  if (question.give_back) {
    for (const std::size_t at : queue_) update.returned.push_back(static_cast<std::int64_t>(at));
    queue_.clear();
  }
  while (question.wait && !waiting_ && !left_) changed_.wait(mutex_);
  if (!question.wait) update.ended = std::exchange(ended_, {});  // SESSION-2
  if (setup_.decisions && !question.wait) return update;         // SESSION-1: the ask() that waits takes them
  update.reports = std::exchange(reports_, {});
  changed_.notify_all();
  return update;
}

void Session::leave() {
  const manta::detail::MutexLock lock(mutex_);
  left_ = true;
  changed_.notify_all();
}

// --- what the public headers declare

Worker::Worker(WorkerSetup setup) : session_(std::make_unique<Session>(std::move(setup))) {}
Worker::~Worker() = default;
Update Worker::ask(const Question& question) { return session_->ask(question); }
void Worker::leave() { session_->leave(); }
const WorkerSetup& Worker::setup() const { return session_->setup(); }

BatchResult Worker::run_batch(std::vector<Assignment> batch,
                              const std::function<Metrics(Trial&, std::size_t)>& objective) {
  return session_->run(batch, objective);
}

}  // namespace manta::tune::detail
