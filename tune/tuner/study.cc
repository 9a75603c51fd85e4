#include "tune/tuner/study.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include <manta/tune/pareto.h>

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
      objectives_(tuner.objectives),
      program_(program),
      folder_(run),
      searcher_(tuner.searcher),
      scheduler_(tuner.scheduler),
      journal_(folder_.journal(), folder_.name()) {
  if (objectives_.empty()) objectives_.push_back({tuner_.metric, tuner_.mode});
  tuner_.metric = objectives_.front().metric;
  tuner_.mode = objectives_.front().mode;
  for (const Objective& each : objectives_) modes_.push_back(each.mode);
  if (!searcher_) searcher_ = std::make_shared<RandomSearcher>(tuner_.seed);
  if (journal_.has_study()) {
    const JournalReader& known = journal_.known();
    if (known.size() > 0 && !run_.resume) {
      refuse(folder_.path().string() + " holds a study of " + std::to_string(known.size()) +
             " trials. Next: set RunConfig::resume to go on with it, or give another name.");
    }
    require_same_aim();
    std::vector<std::int64_t> all(known.size());
    std::iota(all.begin(), all.end(), 0);
    apply(all);
  }
  tables_ = std::make_unique<TrialTables>(folder_.path(), trials_);
  flush_journal();
}

void Study::require_same_aim() {
  const std::vector<Objective>& known = journal_.known().objectives();
  bool same = known.size() == objectives_.size();
  std::string aim;
  for (std::size_t i = 0; i < known.size(); ++i) {
    const bool named = !known[i].metric.empty();
    same = same && known[i].mode == modes_[i] && (!named || known[i].metric == objectives_[i].metric);
    aim += (aim.empty() ? "" : ", ") + std::string(known[i].mode == Mode::min ? "min" : "max") + " of '" +
           known[i].metric + "'";
  }
  if (same) return;
  refuse("the study in " + folder_.path().string() + " has " + aim +
         " for its aim. Next: give the same TunerConfig::metric and mode, or objectives, or another name.");
}

History Study::history() const {
  return {trials_, tuner_.mode, modes_.size() > 1 ? std::span<const Mode>(modes_) : std::span<const Mode>()};
}

void Study::apply(const std::vector<std::int64_t>& changed) {
  std::vector<std::int64_t> ended;
  for (const std::int64_t number : changed) {
    if (look_at(number)) ended.push_back(number);
  }
  for (const auto& [number, report] : journal_.known().take_reports()) {
    TrialRecord& trial = record(number);
    if (trial.status == TrialStatus::running && course(number).foreign) trial.reports.push_back(report);
    if (scheduler_) (void)scheduler_->on_report(trial, report.iteration, score_of(report.value));
  }
  for (const std::int64_t number : ended) {
    const TrialRecord& trial = record(number);
    if (scheduler_) scheduler_->on_end(trial);
    if (tables_) tables_->add(trial);
    consider(trial);
  }
}

bool Study::look_at(std::int64_t number) {
  StoredTrial& stored = journal_.known().trial(number);
  const bool ended = stored.record.status != TrialStatus::running;
  if (number == static_cast<std::int64_t>(trials_.size())) {
    trials_.push_back({.number = number, .folder = trial_folder(folder_.path(), number)});
    courses_.push_back({.again = stored.own, .foreign = !stored.own});
    if (stored.own) {
      replay_own(stored);
      return ended;
    }
    ++foreign_;
  }
  TrialRecord& trial = record(number);
  if (stored.waiting) queued_.insert(number);
  if (!stored.waiting) queued_.erase(number);
  if (!ended || trial.status != TrialStatus::running) return false;
  const bool foreign = course(number).foreign;
  std::erase(waiting_, number);  // one of its own may have been ended by another program
  stored.record.folder = trial.folder;
  trial = std::move(stored.record);
  stored.record.status = trial.status;
  if (foreign) {
    ++foreign_ended_;
    RandomSearcher stand_in(tuner_.seed);  // for parameters that it did not have
    TrialRecord drawn{.number = number};
    stored.record.params = trial.params;
    configure(drawn, stand_in, &stored, true);
    stored.record.params.clear();
  }
  return true;
}

// A trial of an earlier run: its configuration is made again, and its place in the grids kept.
void Study::replay_own(StoredTrial& stored) {
  const std::int64_t number = stored.record.number;
  const bool ended = stored.record.status != TrialStatus::running;
  RandomSearcher stand_in(tuner_.seed);
  TrialRecord drawn{.number = number};
  configure(drawn, ended ? static_cast<Searcher&>(stand_in) : *searcher_, &stored, ended);
  if (!ended) {
    for (const Param& param : drawn.params) {
      const auto place = stored.places.find(param.name);
      if (place == stored.places.end() || !same(stored.record.params[place->second], param)) {
        journal_.set_param(number, param);
      }
    }
    stored.record.params = std::move(drawn.params);
    waiting_.push_back(number);
  }
  stored.record.folder = record(number).folder;
  record(number) = std::move(stored.record);
  stored.record.status = record(number).status;
}

void Study::configure(TrialRecord& trial, Searcher& searcher, const StoredTrial* stored, bool ended) {
  const bool walks = stored == nullptr || (stored->own && !stored->queued);
  GridWalk aside;  // of a trial that has no place in the grids' order
  GridWalk& grids = walks ? grids_ : aside;
  const auto made = static_cast<std::size_t>(walked_);
  const Params* first = walks && !ended && made < tuner_.try_first.size() ? &tuner_.try_first[made] : nullptr;
  TrialDraw draw(trial, searcher, grids, stored == nullptr ? nullptr : &stored->record.params, ended,
                 stored == nullptr || ended || first != nullptr ? first : &stored->fixed);
  Space space(draw);
  searcher.begin(history(), trial);
  grids.begin();
  program_.configure(space, trial.number);
  if (first != nullptr) draw.require_all_tried();
  const bool last = grids.end();
  if (walks) {
    ++walked_;
    if (last && ++samples_ == 1) per_sample_ = walked_;
  } else if (stored->own) {
    ++(grids.any() ? extra_ : samples_);
  }
}

bool Study::may_make() {
  if (!queued_.empty()) return true;
  if (samples_ >= tuner_.num_samples) return false;
  exhausted_ = searcher_->exhausted(history());
  return !exhausted_;
}

void Study::make(std::size_t most) {
  Journal::Turn turn(journal_);
  apply(turn.changed());
  try {
    while (waiting_.size() < most && may_make()) make_next();
  } catch (...) {
    if (!trials_.empty()) turn.commit();  // else the folder is as if the study had not begun
    throw;
  }
  turn.commit();
}

void Study::make_next() {
  if (!queued_.empty()) return run_queued(*queued_.begin());
  TrialRecord trial{.number = static_cast<std::int64_t>(trials_.size())};
  trial.folder = trial_folder(folder_.path(), trial.number);
  configure(trial, *searcher_, nullptr, false);
  if (!journal_.has_study()) journal_.create_study(folder_.name(), objectives_);
  journal_.create_trial(trial);
  waiting_.push_back(trial.number);
  trials_.push_back(std::move(trial));
  courses_.emplace_back();
}

void Study::run_queued(std::int64_t number) {
  queued_.erase(number);
  journal_.take_queued(number);
  course(number).foreign = false;
  --foreign_;
  TrialRecord& trial = record(number);
  try {
    configure(trial, *searcher_, &journal_.known().trial(number), false);
  } catch (const Error& error) {
    ++(grids_.any() ? extra_ : samples_);
    end({.trial = number, .status = TrialStatus::failed, .metrics = {}, .error = error.what()});
    return;
  }
  for (const Param& param : trial.params) journal_.set_param(number, param);
  waiting_.push_back(number);
}

bool Study::exhausted() { return waiting_.empty() && !may_make(); }

std::vector<Assignment> Study::take(std::size_t most) {
  std::vector<Assignment> batch;
  if (waiting_.size() < most && may_make()) make(most);
  while (batch.size() < most && !waiting_.empty()) {
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
  journal_.add_report(sent.trial, report);
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
  trial.constraints = std::move(ended.constraints);
  trial.seconds = ended.seconds;
  const auto value = trial.metrics.find(tuner_.metric);
  if (trial.status != TrialStatus::failed && value != trial.metrics.end() && !std::isnan(value->second)) {
    trial.value = value->second;
  }
  if (trial.status == TrialStatus::complete && objectives_.size() > 1) {
    for (const Objective& each : objectives_) trial.values.push_back(trial.metrics.at(each.metric));
  }
  journal_.end_trial(trial, tuner_.metric);  // STUDY-2
  tables_->add(trial);
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
  ++no_better_;
  if (trial.status == TrialStatus::failed || !trial.value || std::isnan(*trial.value)) return;
  if (objectives_.size() > 1 || violation_of(trial) > 0) return;
  if (best_ >= 0 && !better(trial, *best())) return;
  best_ = static_cast<std::ptrdiff_t>(trial.number);
  no_better_ = 0;
}

Counts Study::counts() const {
  Counts counts = ended_;
  const auto own = static_cast<std::int64_t>(trials_.size()) - foreign_;
  counts.running = own - static_cast<std::int64_t>(waiting_.size()) - (counts.ended() - foreign_ended_);
  return counts;
}

std::optional<std::int64_t> Study::total() const {
  if (exhausted_) return static_cast<std::int64_t>(trials_.size());
  if (per_sample_ == 0 && grids_.any()) return std::nullopt;
  return std::max<std::int64_t>(per_sample_, 1) * tuner_.num_samples + foreign_ + extra_;
}

std::string Study::why_enough(std::chrono::nanoseconds run_for) const {
  if (run_for >= tuner_.time_limit)
    return "the time limit of " + duration_text(std::chrono::duration<double>(tuner_.time_limit).count()) + " is over";
  const bool complete = best() != nullptr && best()->status == TrialStatus::complete;
  if (tuner_.target && complete && score_of(*best()->value) >= score_of(*tuner_.target))
    return "the target " + value_text(*tuner_.target) + " is reached";
  if (tuner_.patience > 0 && no_better_ >= tuner_.patience)
    return std::to_string(no_better_) + " trials in a row were no better than the best one";
  return {};
}

Outcome Study::finish(bool interrupted, std::string why_ended, double seconds) {
  flush_journal();
  for (TrialRecord& trial : trials_) {
    if (!course(trial.number).foreign || trial.status != TrialStatus::running) continue;
    const StoredTrial& stored = journal_.known().trial(trial.number);
    trial.params = stored.record.params;  // so far
    TrialRecord drawn{.number = trial.number};
    RandomSearcher stand_in(tuner_.seed);
    configure(drawn, stand_in, &stored, true);
  }
  tables_->rewrite(trials_);
  const bool reported =
      std::any_of(trials_.begin(), trials_.end(), [](const TrialRecord& each) { return !each.reports.empty(); });
  if (run_.tensorboard && reported) folder_.write_experiment(trials_, tuner_.metric);
  Outcome outcome{.trials = {},
                  .folder = folder_.path(),
                  .interrupted = interrupted,
                  .why_ended = std::move(why_ended),
                  .summary = {},
                  .best = best_,
                  .why_none = {},
                  .front = pareto_front(trials_, modes_),
                  .modes = modes_};
  outcome.summary = summary_of(*this, outcome.front.size(), interrupted, outcome.why_ended, seconds);
  outcome.why_none = "no trial has ended.";
  if (ended_.complete > 0) outcome.why_none = "no trial keeps all constraints.";
  if (objectives_.size() > 1) outcome.why_none = "it has several objectives: Results::pareto_front() is their best.";
  for (const TrialRecord& trial : trials_) {
    if (trial.status == TrialStatus::failed && ended_.complete == 0)
      outcome.why_none = "trial " + std::to_string(trial.number) + " failed: " + trial.error;
  }
  outcome.trials = std::move(trials_);
  return outcome;
}

}  // namespace manta::tune::detail
