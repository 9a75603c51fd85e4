#include "tune/trial/trial_files.h"

#include <cmath>
#include <cstdio>
#include <sstream>
#include <string>
#include <variant>

#include <nlohmann/json.hpp>

#include <manta/files/append_file.h>
#include <manta/files/file.h>
#include <manta/report/text.h>

namespace manta::tune::detail {

namespace {

constexpr std::size_t kMostBytes = std::size_t{4} << 30;  // of a log that is read

std::string as_json(const Value& value) {
  return std::holds_alternative<std::string>(value) ? report::json_string(std::get<std::string>(value))
                                                    : to_string(value);
}

report::HParams hparams_of(const Assignment& assignment) {
  report::HParams hparams;
  for (const auto& [name, value] : assignment.params) {
    if (const auto* whole = std::get_if<std::int64_t>(&value)) hparams.emplace_back(name, static_cast<double>(*whole));
    if (const auto* number = std::get_if<double>(&value)) hparams.emplace_back(name, *number);
    if (const auto* flag = std::get_if<bool>(&value)) hparams.emplace_back(name, *flag);
    if (const auto* text = std::get_if<std::string>(&value)) hparams.emplace_back(name, *text);
  }
  return hparams;
}

}  // namespace

std::filesystem::path trial_folder(const std::filesystem::path& study, std::int64_t number) {
  char name[32];
  std::snprintf(name, sizeof name, "trial_%05lld", static_cast<long long>(number));
  return study / name;
}

TrialFiles::TrialFiles(const WorkerSetup& setup, const Assignment& assignment)
    : setup_(setup), assignment_(assignment), folder_(trial_folder(setup.folder, assignment.number)) {}

const std::filesystem::path& TrialFiles::folder() {
  if (made_) return folder_;
  files::make_folders(folder_);
  made_ = true;
  std::string json;
  for (const auto& [name, value] : assignment_.params) {
    json += (json.empty() ? "{" : ", ") + report::json_string(name) + ": " + as_json(value);
  }
  files::AppendFile(folder_ / "params.json", 0).append(json.empty() ? "{}\n" : json + "}\n");
  return folder_;
}

void TrialFiles::open(std::int64_t iteration) {
  tried_ = true;
  try {
    (void)folder();
    if (assignment_.again && iteration > 1) read_earlier(iteration);
    log_.emplace(folder_, assignment_.again ? iteration - 1 : 0);
    if (!setup_.tensorboard) return;
    board_.emplace(folder_);
    board_->begin_session(hparams_of(assignment_));
  } catch (const Error& error) {
    std::fprintf(stderr, "manta: trial %lld: %s The study goes on without its logs.\n",
                 static_cast<long long>(assignment_.number), error.what());
  }
}

void TrialFiles::read_earlier(std::int64_t iteration) {
  const std::filesystem::path path = folder_ / "result.json";
  if (!std::filesystem::exists(path)) return;
  std::istringstream lines(files::read_file(path, kMostBytes));
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(report::with_quoted_nan(line), nullptr, false);
    if (!json.is_object()) continue;  // cut
    SentReport report{.trial = assignment_.number, .metrics = {}, .earlier = true};
    for (const auto& [name, value] : json.items()) {
      if (name == "time_total_s" || name == "timestamp") continue;  // the log's own
      if (value.is_number()) report.metrics[name] = value.get<double>();
      if (value == "NaN") report.metrics[name] = NAN;
      if (value == "Infinity") report.metrics[name] = INFINITY;
      if (value == "-Infinity") report.metrics[name] = -INFINITY;
    }
    report.iteration = static_cast<std::int64_t>(report.metrics["training_iteration"]);
    if (report.iteration < iteration) earlier_.push_back(std::move(report));
  }
}

void TrialFiles::report(std::int64_t iteration, const Metrics& metrics) {
  if (!tried_) open(iteration);
  if (log_) log_->add(metrics);
  if (!board_) return;
  Metrics curves = metrics;
  curves.erase("training_iteration");
  board_->add_scalars(curves, iteration);
}

void TrialFiles::end(bool good) {
  if (board_) board_->end_session(good);
}

}  // namespace manta::tune::detail
