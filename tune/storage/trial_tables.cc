#include "tune/storage/trial_tables.h"

#include <cstdio>
#include <string_view>
#include <system_error>

#include <manta/files/file.h>
#include <manta/report/text.h>

#include "tune/storage/text.h"

namespace manta::tune::detail {

namespace {

namespace fs = std::filesystem;

using report::as_number;
using report::csv_cell;
using report::json_string;

std::string csv_number(double value) { return as_number(value, "nan", "inf"); }

std::string json_object(const std::map<std::string, double>& numbers) {
  std::string object = "{";
  for (const auto& [name, value] : numbers)
    object += (object.size() == 1 ? "" : ", ") + json_string(name) + ": " + as_number(value);
  return object + "}";
}

std::string json_line(const TrialRecord& trial) {
  std::string line = "{\"trial\": " + std::to_string(trial.number) + ", \"status\": \"";
  line += to_string(trial.status);
  line += "\", \"value\": " + (trial.value ? as_number(*trial.value) : std::string("null")) + ", \"params\": {";
  for (const Param& param : trial.params) {
    if (&param != &trial.params.front()) line += ", ";
    line += json_string(param.name) + ": " + json_of(param.value());
  }
  line += "}, \"metrics\": " + json_object(trial.metrics);
  if (!trial.values.empty()) {
    line += ", \"values\": [";
    for (const double& each : trial.values) line += (&each == &trial.values.front() ? "" : ", ") + as_number(each);
    line += "]";
  }
  if (!trial.constraints.empty()) line += ", \"constraints\": " + json_object(trial.constraints);
  line += ", \"reports\": " + std::to_string(trial.reports.size()) + ", \"seconds\": " + as_number(trial.seconds);
  if (!trial.error.empty()) line += ", \"error\": " + json_string(trial.error);
  return line + "}\n";
}

// The file with this content, in one step.
std::unique_ptr<files::AppendFile> replaced(const fs::path& path, const std::string& content) {
  const fs::path part = path.string() + ".part";
  {
    files::OutputFile file(part);
    file.write(content.data(), content.size());
  }
  std::error_code error;
  fs::rename(part, path, error);
  if (error) throw files::file_error(path, "cannot be replaced", error.value());
  return std::make_unique<files::AppendFile>(path);
}

}  // namespace

bool TrialTables::Columns::add(const std::string& name) {
  if (!places.emplace(name, names.size()).second) return false;
  names.push_back(name);
  return true;
}

TrialTables::TrialTables(const fs::path& folder, const std::vector<TrialRecord>& trials) : folder_(folder) {
  rewrite(trials);
}

std::string TrialTables::header() const {
  std::string line = "trial,status,value,seconds,reports";
  for (const std::string& name : params_.names) line += "," + csv_cell("param:" + name);
  for (const std::string& name : metrics_.names) line += "," + csv_cell("metric:" + name);
  for (const std::string& name : constraints_.names) line += "," + csv_cell("constraint:" + name);
  return line + ",error\n";
}

bool TrialTables::add_columns(const TrialRecord& trial) {
  bool any = false;
  for (const Param& param : trial.params) any |= params_.add(param.name);
  for (const auto& [name, value] : trial.metrics) any |= metrics_.add(name);
  for (const auto& [name, value] : trial.constraints) any |= constraints_.add(name);
  return any;
}

void TrialTables::add_row(const TrialRecord& trial) {
  rows_ += std::to_string(trial.number);
  rows_ += ',';
  rows_ += to_string(trial.status);
  rows_ += "," + (trial.value ? csv_number(*trial.value) : std::string()) + "," + csv_number(trial.seconds) + "," +
           std::to_string(trial.reports.size());
  std::vector<const Param*> cells(params_.names.size());
  for (const Param& param : trial.params) cells[params_.places.at(param.name)] = &param;
  for (const Param* param : cells) {
    rows_ += ',';
    if (param == nullptr) continue;
    const Value value = param->value();
    rows_ += std::holds_alternative<std::string>(value) ? csv_cell(std::get<std::string>(value)) : to_string(value);
  }
  const auto add_numbers = [this](const Columns& columns, const std::map<std::string, double>& numbers) {
    for (const std::string& name : columns.names) {
      const auto at = numbers.find(name);
      rows_ += "," + (at == numbers.end() ? std::string() : csv_number(at->second));
    }
  };
  add_numbers(metrics_, trial.metrics);
  add_numbers(constraints_, trial.constraints);
  rows_ += "," + csv_cell(trial.error) + "\n";
}

void TrialTables::add(const TrialRecord& trial) {
  widened_ |= add_columns(trial);
  add_row(trial);
  lines_ += json_line(trial);
}

void TrialTables::flush(const std::vector<TrialRecord>& trials) {
  if (widened_) return rewrite(trials);
  if (!rows_.empty()) csv_->append(rows_);
  if (!lines_.empty()) jsonl_->append(lines_);
  rows_.clear();
  lines_.clear();
}

void TrialTables::rewrite(const std::vector<TrialRecord>& trials) {
  for (const TrialRecord& trial : trials) {
    if (trial.status != TrialStatus::running) (void)add_columns(trial);
  }
  rows_ = header();
  lines_.clear();
  for (const TrialRecord& trial : trials) {
    if (trial.status == TrialStatus::running) continue;
    add_row(trial);
    lines_ += json_line(trial);
  }
  try {
    csv_ = replaced(folder_ / "trials.csv", rows_);
    jsonl_ = replaced(folder_ / "trials.jsonl", lines_);
  } catch (const Error& error) {
    if (csv_ == nullptr || jsonl_ == nullptr) throw;  // at the start
    csv_->failed(error);
  }
  widened_ = false;
  rows_.clear();
  lines_.clear();
}

}  // namespace manta::tune::detail
