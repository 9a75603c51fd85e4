#include "tune/tuner/study.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "tune/space/trial_draw.h"
#include "tune/trial/trial_files.h"
#include "tune/tuner/summary.h"

namespace manta::tune::detail {

namespace {

[[noreturn]] void refuse(const std::string& what) { throw Error(ErrorCode::invalid_argument, "Tuner: " + what); }

bool same(const Param& a, const Param& b) { return a.name == b.name && a.number == b.number && a.value() == b.value(); }

}  // namespace

Study::Study(const TunerConfig& tuner, const RunConfig& run, const Program& program)
    : tuner_(tuner),
      run_(run),
      program_(program),
      folder_(run),
      searcher_(tuner.searcher),
      scheduler_(tuner.scheduler) {
  if (!searcher_) searcher_ = std::make_shared<RandomSearcher>(tuner_.seed);
  StoredStudy stored;
  if (std::filesystem::exists(folder_.journal())) stored = read_journal(folder_.journal());
  const bool there = stored.whole_bytes > 0;
  if (there && !run_.resume) {
    refuse(folder_.path().string() + " holds a study of " + std::to_string(stored.trials.size()) +
           " trials. Next: set RunConfig::resume to go on with it, or give another name.");
  }
  journal_ = std::make_unique<Journal>(folder_.journal(), stored.whole_bytes);
  if (there) {
    resume(std::move(stored));
  } else {
    journal_->create_study(folder_.name(), tuner_.mode, tuner_.metric);
  }
  tables_ = std::make_unique<TrialTables>(folder_.path(), trials_);
  journal_->flush();
}

void Study::resume(StoredStudy stored) {
  if (stored.mode != tuner_.mode || (!stored.metric.empty() && stored.metric != tuner_.metric)) {
    refuse("the study in " + folder_.path().string() + " has " + (stored.mode == Mode::min ? "min" : "max") + " of '" +
           stored.metric + "' for its aim. Next: give the same TunerConfig::metric and mode, or another name.");
  }
  for (TrialRecord& trial : stored.trials) replay(trial);
  if (scheduler_) {
    for (const auto& [number, report] : stored.reports) {
      (void)scheduler_->on_report(trial(number), report.iteration, score_of(report.value));
    }
  }
  for (const TrialRecord& trial : trials_) {
    if (trial.status == TrialStatus::running) continue;
    searcher_->finished(trial);
    if (scheduler_) scheduler_->on_end(trial);
  }
}

// Makes the configuration of a stored trial, and keeps its place in the grids.
void Study::replay(TrialRecord& stored) {
  const bool ended = stored.status != TrialStatus::running;
  TrialRecord drawn;
  drawn.number = stored.number;
  RandomSearcher stand_in(tuner_.seed);  // for parameters that an ended trial did not have
  TrialDraw draw(drawn, ended ? stand_in : *searcher_, grids_, &stored.params, ended);
  Space space(draw);
  grids_.begin();
  program_.configure(space);
  if (grids_.end() && ++samples_ == 1) per_sample_ = stored.number + 1;
  if (!ended) {
    for (const Param& param : drawn.params) {
      const bool known =
          std::any_of(stored.params.begin(), stored.params.end(), [&](const Param& each) { return same(each, param); });
      if (!known) journal_->set_param(stored.number, param);
    }
    stored.params = std::move(drawn.params);
    waiting_.push_back(stored.number);
  }
  stored.folder = trial_folder(folder_.path(), stored.number);
  trials_.push_back(std::move(stored));
  courses_.push_back({.again = true});
  if (ended) consider(trials_.back());
}

bool Study::make_next() {
  if (samples_ >= tuner_.num_samples) return false;
  TrialRecord trial;
  trial.number = static_cast<std::int64_t>(trials_.size());
  trial.folder = trial_folder(folder_.path(), trial.number);
  TrialDraw draw(trial, *searcher_, grids_);
  Space space(draw);
  grids_.begin();
  program_.configure(space);
  if (grids_.end() && ++samples_ == 1) per_sample_ = trial.number + 1;
  journal_->create_trial(trial);
  waiting_.push_back(trial.number);
  trials_.push_back(std::move(trial));
  courses_.emplace_back();
  return true;
}

bool Study::exhausted() { return waiting_.empty() && samples_ >= tuner_.num_samples; }

std::vector<Assignment> Study::take(std::size_t most) {
  std::vector<Assignment> batch;
  while (batch.size() < most && (!waiting_.empty() || make_next())) {
    const std::int64_t number = waiting_.front();
    const bool alone = course(number).alone;
    if (alone && !batch.empty()) break;  // STUDY-3
    waiting_.pop_front();
    batch.push_back(assignment_of(number));
    if (alone) break;
  }
  return batch;
}

Assignment Study::assignment_of(std::int64_t number) {
  TrialRecord& trial = record(number);
  ++trial.attempts;
  Assignment assignment{.number = number, .attempt = trial.attempts, .again = course(number).again, .params = {}};
  for (const Param& param : trial.params) assignment.params.emplace_back(param.name, param.value());
  course(number).again = true;
  return assignment;
}

Decision Study::report(const SentReport& sent) {
  TrialRecord& trial = record(sent.trial);
  if (trial.status != TrialStatus::running) return Decision::go_on;
  trial.metrics = sent.metrics;
  const auto metric = sent.metrics.find(tuner_.metric);
  if (metric == sent.metrics.end()) return Decision::go_on;
  const Intermediate report{sent.iteration, metric->second};
  const auto known = std::find_if(trial.reports.begin(), trial.reports.end(),
                                  [&](const Intermediate& each) { return each.iteration == report.iteration; });
  if (sent.earlier && known != trial.reports.end()) return Decision::go_on;
  std::erase_if(trial.reports, [&](const Intermediate& each) { return each.iteration >= report.iteration; });
  trial.reports.push_back(report);
  journal_->add_report(sent.trial, report);
  return scheduler_ ? scheduler_->on_report(trial, sent.iteration, score_of(metric->second)) : Decision::go_on;
}

void Study::end(Ended ended) {
  TrialRecord& trial = record(ended.trial);
  if (trial.status != TrialStatus::running) return;
  Course& course = this->course(ended.trial);
  if (ended.status == TrialStatus::failed && run_.retry_exceptions && !ended.error.empty() &&
      (run_.max_failures < 0 || course.failures < run_.max_failures)) {
    ++course.failures;
    waiting_.push_front(ended.trial);
    return;
  }
  trial.status = ended.status;
  trial.metrics = std::move(ended.metrics);
  trial.error = std::move(ended.error);
  trial.seconds = ended.seconds;
  const auto value = trial.metrics.find(tuner_.metric);
  if (trial.status != TrialStatus::failed && value != trial.metrics.end()) trial.value = value->second;
  journal_->end_trial(trial, tuner_.metric);  // STUDY-2
  tables_->add(trial);
  searcher_->finished(trial);
  if (scheduler_) scheduler_->on_end(trial);
  consider(trial);
}

void Study::give_back(std::int64_t number) {
  --record(number).attempts;
  waiting_.push_front(number);
}

void Study::lost(std::int64_t number, bool alone, const std::string& why) {
  Course& course = this->course(number);
  if (!alone) {
    course.alone = true;
    --record(number).attempts;
    waiting_.push_front(number);
    return;
  }
  if (++course.failures <= run_.max_failures || run_.max_failures < 0) {
    waiting_.push_front(number);
    return;
  }
  Ended ended{.trial = number, .status = TrialStatus::failed, .metrics = record(number).metrics, .error = {}};
  ended.error = "its process died " + std::to_string(course.failures) + " times, the last time: " + why +
                " Next: see what ends it, or raise RunConfig::max_failures.";
  course.failures = run_.max_failures;  // no exception that could be tried again
  end(std::move(ended));
}

bool Study::better(const TrialRecord& trial, const TrialRecord& than) const {
  const bool complete = trial.status == TrialStatus::complete, other = than.status == TrialStatus::complete;
  if (complete != other) return complete;
  const double score = score_of(*trial.value), best = score_of(*than.value);
  return score > best || (score == best && trial.number < than.number);
}

void Study::consider(const TrialRecord& trial) {
  ++(trial.status == TrialStatus::complete  ? ended_.complete
     : trial.status == TrialStatus::stopped ? ended_.stopped
                                            : ended_.failed);
  if (trial.status == TrialStatus::failed || !trial.value || std::isnan(*trial.value)) return;
  if (best_ < 0 || better(trial, *best())) best_ = static_cast<std::ptrdiff_t>(trial.number);
}

Counts Study::counts() const {
  Counts counts = ended_;
  counts.running = static_cast<std::int64_t>(trials_.size() - waiting_.size()) - counts.ended();
  return counts;
}

std::optional<std::int64_t> Study::total() const {
  if (per_sample_ == 0 && grids_.any()) return std::nullopt;
  return std::max<std::int64_t>(per_sample_, 1) * tuner_.num_samples;
}

Outcome Study::finish(bool interrupted, double seconds) {
  journal_->flush();
  tables_->rewrite(trials_);
  const bool reported =
      std::any_of(trials_.begin(), trials_.end(), [](const TrialRecord& each) { return !each.reports.empty(); });
  if (run_.tensorboard && reported) folder_.write_experiment(trials_, tuner_.metric);
  Outcome outcome{
      .trials = {}, .folder = folder_.path(), .interrupted = interrupted, .summary = {}, .best = best_, .why_none = {}};
  outcome.summary = summary_of(*this, interrupted, seconds);
  outcome.why_none = "no trial has ended.";
  for (const TrialRecord& trial : trials_) {
    if (trial.status == TrialStatus::failed)
      outcome.why_none = "trial " + std::to_string(trial.number) + " failed: " + trial.error;
  }
  outcome.trials = std::move(trials_);
  return outcome;
}

}  // namespace manta::tune::detail
