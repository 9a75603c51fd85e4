#include "tune/storage/journal.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>

#include <manta/error.h>
#include <manta/report/text.h>

#include "tune/storage/text.h"

namespace manta::tune::detail {

namespace {

using report::as_number;
using report::json_string;

constexpr std::size_t kMostWaiting = std::size_t{256} << 20;  // of records that could not be written

// "2026-11-29T05:41:00.123456+00:00", as Python's isoformat.
std::string now_text() {
  using std::chrono::microseconds;
  thread_local std::time_t second = -1;
  thread_local std::array<char, 32> text{};
  const auto now =
      std::chrono::duration_cast<microseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  const auto whole = static_cast<std::time_t>(now / 1'000'000);
  if (whole != second) {
    std::tm utc{};
    gmtime_r(&whole, &utc);
    std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &utc);
    second = whole;
  }
  std::array<char, 24> rest{};
  std::snprintf(rest.data(), rest.size(), ".%06d+00:00", static_cast<int>(now % 1'000'000));
  return std::string(text.data()) + rest.data();
}

std::string distribution_json(const Distribution& distribution) {
  if (distribution.kind == Distribution::Kind::categorical) {
    std::string choices;
    for (const Value& choice : *distribution.choices) choices += (choices.empty() ? "" : ", ") + json_of(choice);
    return R"({"name": "CategoricalDistribution", "attributes": {"choices": [)" + choices + "]}}";
  }
  const std::string log = distribution.log ? "true" : "false";
  if (distribution.kind == Distribution::Kind::integer) {
    return R"({"name": "IntDistribution", "attributes": {"log": )" + log + R"(, "step": 1, "low": )" +
           as_number(distribution.low) + R"(, "high": )" + as_number(distribution.high) + "}}";
  }
  return R"({"name": "FloatDistribution", "attributes": {"step": null, "low": )" + json_of(distribution.low) +
         R"(, "high": )" + json_of(distribution.high) + R"(, "log": )" + log + "}}";
}

std::string number_text(const Param& param) {
  return param.distribution.kind == Distribution::Kind::real ? json_of(param.number) : as_number(param.number);
}

int state_of(TrialStatus status) {  // TrialState
  switch (status) {
    case TrialStatus::running:
      return 0;
    case TrialStatus::complete:
      return 1;
    case TrialStatus::stopped:
      return 2;
    case TrialStatus::failed:
      break;
  }
  return 3;
}

std::string metrics_text(const Metrics& metrics) {
  std::string text;
  for (const auto& [name, value] : metrics)
    text += (text.empty() ? "{" : ",") + json_string(name) + ":" + as_number(value);
  return text.empty() ? "{}" : text + "}";
}

}  // namespace

Journal::Journal(const std::filesystem::path& path, std::string_view study)
    : file_(path),
      reader_(path),
      worker_(",\"worker_id\":\"manta-" + std::to_string(::getpid()) + "-" +
              std::to_string(std::chrono::system_clock::now().time_since_epoch().count()) + "\"}\n") {
  file_.lock();  // so that a line cut by its writer's death differs from one that is being written
  const std::string lines = file_.read_new();
  file_.unlock();
  (void)reader_.read(lines);
  (void)reader_.choose(study);
}

Journal::Turn::Turn(Journal& journal) : journal_(journal), before_(journal.buffer_.size()) {
  journal.file_.lock();
  const std::int64_t trials = journal.has_study() ? static_cast<std::int64_t>(journal.reader_.size()) : 0;
  changed_ = journal.reader_.read(journal.file_.read_new());
  if (journal.unwritten_trials_ && !changed_.empty() && changed_.back() >= trials) {
    journal.file_.unlock();
    throw Error(ErrorCode::exhausted, journal.file_.path().string() +
                                          ": another program has made trials while the disk was full, under the "
                                          "numbers of this study's. Next: free some space, then resume.");
  }
}

Journal::Turn::~Turn() {
  if (committed_) return;
  journal_.buffer_.resize(before_);
  journal_.file_.unlock();
}

void Journal::Turn::commit() {
  committed_ = true;
  const bool written = journal_.file_.append(journal_.buffer_);
  journal_.file_.unlock();
  if (written) {
    journal_.reader_.skip(static_cast<std::size_t>(std::count(journal_.buffer_.begin(), journal_.buffer_.end(), '\n')));
    journal_.buffer_.clear();
    journal_.unwritten_trials_ = false;
    return;
  }
  journal_.unwritten_trials_ = true;
  if (journal_.buffer_.size() <= kMostWaiting) return;
  throw Error(ErrorCode::exhausted, journal_.file_.path().string() +
                                        ": 256 MiB of records could not be written. Next: free some space, then "
                                        "resume the study.");
}

std::vector<std::int64_t> Journal::flush() {
  if (buffer_.empty()) return {};
  Turn turn(*this);
  std::vector<std::int64_t> changed = turn.changed();
  turn.commit();
  return changed;
}

void Journal::begin(int operation) { buffer_ += "{\"op_code\":" + std::to_string(operation); }

void Journal::of_trial(int operation, std::int64_t trial) {
  begin(operation);
  buffer_ += ",\"trial_id\":" + std::to_string(reader_.trial(trial).id);
}

void Journal::create_study(std::string_view name, const std::vector<Objective>& objectives) {
  reader_.made_study(name, objectives);
  std::string directions, metrics;
  for (const Objective& each : objectives) {
    directions += std::string(directions.empty() ? "" : ",") + (each.mode == Mode::min ? "1" : "2");
    metrics += (metrics.empty() ? "" : ",") + json_string(each.metric);
  }
  begin(0);
  buffer_ += ",\"study_name\":" + json_string(name) + ",\"directions\":[" + directions + "]" + worker_;
  begin(3);  // what Study.set_metric_names writes
  buffer_ += ",\"study_id\":" + std::to_string(reader_.study()) + ",\"system_attr\":{\"study:metric_names\":[" +
             metrics + "]}" + worker_;
}

const std::string& Journal::distribution_text(const Param& param) {
  const auto known = distributions_.find(param.name);
  if (known != distributions_.end() && known->second.first == param.distribution) return known->second.second;
  return distributions_
      .insert_or_assign(param.name, std::pair(param.distribution, json_string(distribution_json(param.distribution))))
      .first->second.second;
}

void Journal::create_trial(const TrialRecord& trial) {
  reader_.made_trial(trial.number);  // JOURNAL-3
  begin(4);
  buffer_ += ",\"study_id\":" + std::to_string(reader_.study()) + ",\"datetime_start\":\"" + now_text() +
             "\",\"state\":0,\"distributions\":{";
  for (const Param& param : trial.params) {
    if (&param != &trial.params.front()) buffer_ += ',';
    buffer_ += json_string(param.name) + ":" + distribution_text(param);
  }
  buffer_ += "},\"params\":{";
  for (const Param& param : trial.params) {
    if (&param != &trial.params.front()) buffer_ += ',';
    buffer_ += json_string(param.name) + ":" + number_text(param);
  }
  buffer_ += "}" + worker_;
}

void Journal::set_param(std::int64_t trial, const Param& param) {
  of_trial(5, trial);
  buffer_ += ",\"param_name\":" + json_string(param.name) + ",\"param_value_internal\":" + number_text(param) +
             ",\"distribution\":" + distribution_text(param) + worker_;
}

void Journal::add_report(std::int64_t trial, const Intermediate& report) {
  of_trial(7, trial);
  buffer_ +=
      ",\"step\":" + std::to_string(report.iteration) + ",\"intermediate_value\":" + json_of(report.value) + worker_;
}

void Journal::trial_attribute(std::int64_t trial, std::string_view name, const std::string& json) {
  of_trial(8, trial);
  buffer_ += ",\"user_attr\":{" + json_string(name) + ":" + json + "}" + worker_;
}

void Journal::end_trial(const TrialRecord& trial, std::string_view metric) {
  const bool only_value = trial.metrics.size() == 1 && trial.metrics.begin()->first == metric;
  if (!trial.metrics.empty() && !only_value) trial_attribute(trial.number, "metrics", metrics_text(trial.metrics));
  if (!trial.error.empty()) trial_attribute(trial.number, "error", json_string(trial.error));
  for (const auto& [name, value] : trial.constraints) {  // what Trial.set_constraint writes
    of_trial(9, trial.number);
    buffer_ += ",\"system_attr\":{" + json_string("constraints:" + name) + ":" + json_of(value) + "}" + worker_;
  }
  reader_.trial(trial.number).record.status = trial.status;
  std::string values = trial.values.empty() && trial.value ? json_of(*trial.value) : std::string();
  for (const double each : trial.values) values += (values.empty() ? "" : ",") + json_of(each);
  of_trial(6, trial.number);
  // Optuna has as many values as directions, or none.
  const bool whole = trial.values.size() == reader_.objectives().size() || reader_.objectives().size() == 1;
  const bool valued = !values.empty() && whole && trial.status != TrialStatus::failed;
  buffer_ += ",\"state\":" + std::to_string(state_of(trial.status)) +
             ",\"values\":" + (valued ? "[" + values + "]" : "null") + ",\"datetime_complete\":\"" + now_text() +
             "\",\"seconds\":" + as_number(trial.seconds) + worker_;
}

void Journal::take_queued(std::int64_t trial) {
  of_trial(6, trial);
  buffer_ += ",\"state\":0,\"values\":null,\"datetime_start\":\"" + now_text() + "\"" + worker_;
  StoredTrial& stored = reader_.trial(trial);
  stored.waiting = false;
  stored.own = true;
}

}  // namespace manta::tune::detail
