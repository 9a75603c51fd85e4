#include "tune/storage/journal.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>

#include <manta/report/text.h>

#include "tune/storage/text.h"

namespace manta::tune::detail {

namespace {

using report::as_number;
using report::json_string;

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

Journal::Journal(const std::filesystem::path& path, std::uint64_t keep)
    : file_(path, keep),
      worker_(",\"worker_id\":\"manta-" + std::to_string(::getpid()) + "-" +
              std::to_string(std::chrono::system_clock::now().time_since_epoch().count()) + "\"}\n") {}

void Journal::begin(int operation) { buffer_ += "{\"op_code\":" + std::to_string(operation); }

void Journal::create_study(std::string_view name, Mode mode, std::string_view metric) {
  begin(0);
  buffer_ +=
      ",\"study_name\":" + json_string(name) + ",\"directions\":[" + (mode == Mode::min ? "1" : "2") + "]" + worker_;
  begin(3);  // what Study.set_metric_names writes
  buffer_ += ",\"study_id\":0,\"system_attr\":{\"study:metric_names\":[" + json_string(metric) + "]}" + worker_;
}

const std::string& Journal::distribution_text(const Param& param) {
  const auto known = distributions_.find(param.name);
  if (known != distributions_.end() && known->second.first == param.distribution) return known->second.second;
  return distributions_
      .insert_or_assign(param.name, std::pair(param.distribution, json_string(distribution_json(param.distribution))))
      .first->second.second;
}

void Journal::create_trial(const TrialRecord& trial) {
  begin(4);
  buffer_ += ",\"study_id\":0,\"datetime_start\":\"" + now_text() + "\",\"state\":0,\"distributions\":{";
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
  begin(5);
  buffer_ += ",\"trial_id\":" + std::to_string(trial) + ",\"param_name\":" + json_string(param.name) +
             ",\"param_value_internal\":" + number_text(param) + ",\"distribution\":" + distribution_text(param) +
             worker_;
}

void Journal::add_report(std::int64_t trial, const Intermediate& report) {
  begin(7);
  buffer_ += ",\"trial_id\":" + std::to_string(trial) + ",\"step\":" + std::to_string(report.iteration) +
             ",\"intermediate_value\":" + json_of(report.value) + worker_;
}

void Journal::trial_attribute(std::int64_t trial, std::string_view name, const std::string& json) {
  begin(8);
  buffer_ +=
      ",\"trial_id\":" + std::to_string(trial) + ",\"user_attr\":{" + json_string(name) + ":" + json + "}" + worker_;
}

void Journal::end_trial(const TrialRecord& trial, std::string_view metric) {
  const bool only_value = trial.metrics.size() == 1 && trial.metrics.begin()->first == metric;
  if (!trial.metrics.empty() && !only_value) trial_attribute(trial.number, "metrics", metrics_text(trial.metrics));
  if (!trial.error.empty()) trial_attribute(trial.number, "error", json_string(trial.error));
  begin(6);
  const bool valued = trial.value && trial.status != TrialStatus::failed;
  buffer_ += ",\"trial_id\":" + std::to_string(trial.number) + ",\"state\":" + std::to_string(state_of(trial.status)) +
             ",\"values\":" + (valued ? "[" + json_of(*trial.value) + "]" : "null") + ",\"datetime_complete\":\"" +
             now_text() + "\",\"seconds\":" + as_number(trial.seconds) + worker_;
}

void Journal::flush() {
  if (!buffer_.empty()) file_.append(buffer_);
  buffer_.clear();
}

}  // namespace manta::tune::detail
