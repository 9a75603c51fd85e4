#include "tune/storage/journal_reader.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <stdexcept>

#include <nlohmann/json.hpp>

#include <manta/error.h>
#include <manta/report/text.h>

namespace manta::tune::detail {

namespace {

using Json = nlohmann::ordered_json;  // parameters in the order in which they were drawn

enum State { kRunning, kComplete, kPruned, kFailed, kWaiting };  // TrialState

double number_of(const Json& json) {
  if (!json.is_string()) return json.is_null() ? NAN : json.get<double>();
  const auto& text = json.get_ref<const std::string&>();
  return text == "Infinity" ? INFINITY : text == "-Infinity" ? -INFINITY : NAN;
}

Value value_of(const Json& json) {
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (json.is_number()) return json.get<double>();
  return json.is_string() ? json.get<std::string>() : json.dump();
}

Distribution distribution_of(const std::string& text) {
  const Json json = Json::parse(text);
  const Json& attributes = json.at("attributes");
  Distribution distribution;
  const auto& name = json.at("name").get_ref<const std::string&>();
  if (name == "CategoricalDistribution") {
    std::vector<Value> choices;
    for (const Json& choice : attributes.at("choices")) choices.push_back(value_of(choice));
    distribution.kind = Distribution::Kind::categorical;
    distribution.choices = std::make_shared<const std::vector<Value>>(std::move(choices));
    return distribution;
  }
  // Distributions of Optuna 2 have names of their own for each combination.
  distribution.kind = name.starts_with("Int") ? Distribution::Kind::integer : Distribution::Kind::real;
  distribution.low = attributes.at("low").get<double>();
  distribution.high = attributes.at("high").get<double>();
  distribution.log = attributes.value("log", name.starts_with("Log") || name.starts_with("IntLog"));
  return distribution;
}

// Of a record that makes a trial or ends one: "values" where there are several or it ends one, else "value".
std::vector<double> values_of(const Json& record) {
  for (const char* const name : {"values", "value"}) {
    const auto found = record.find(name);
    if (found == record.end() || found->is_null()) continue;
    if (!found->is_array()) return {number_of(*found)};
    std::vector<double> values;
    for (const Json& each : *found) values.push_back(number_of(each));
    return values;
  }
  return {};
}

}  // namespace

// Optuna's JournalStorageReplayResult.
struct JournalReader::Records {
  JournalReader& reader;
  std::vector<std::int64_t>& changed;

  void apply(const Json& record) {
    switch (record.at("op_code").get<int>()) {
      case 0:
        return create_study(record);
      case 1:
        return delete_study(record);
      case 3:
        return study_attribute(record);
      case 4:
        return create_trial(record);
      case 5:
        return set_param(record);
      case 6:
        return set_state(record);
      case 7:
        return add_report(record);
      case 8:
        return attribute(record, "user_attr");
      case 9:
        return attribute(record, "system_attr");
      default:
        return;  // notes of people
    }
  }

  void create_study(const Json& record) {
    const auto name = record.at("study_name").get<std::string>();
    const Json& directions = record.at("directions");
    for (const StoredStudy& study : reader.studies_) {
      if (!study.deleted && study.name == name) return;
    }
    std::vector<Objective> objectives;
    for (const Json& direction : directions)
      objectives.push_back({{}, direction.get<int>() == 2 ? Mode::max : Mode::min});
    if (objectives.empty()) throw std::runtime_error("the study has no direction");
    reader.add_study(name, std::move(objectives));
  }
  StoredStudy* study_of(const Json& record) {
    const auto id = record.at("study_id").get<std::size_t>();
    if (id >= reader.studies_.size()) throw std::runtime_error("there is no study " + std::to_string(id));
    return reader.studies_[id].deleted ? nullptr : &reader.studies_[id];
  }
  void delete_study(const Json& record) {
    StoredStudy* study = study_of(record);
    if (study == nullptr) return;
    if (study - reader.studies_.data() == reader.study_) throw std::runtime_error("it deletes the study that runs");
    *study = {};
    study->deleted = true;
  }
  void study_attribute(const Json& record) {
    StoredStudy* study = study_of(record);
    const Json& attribute = record.at("system_attr");
    const auto names = attribute.find("study:metric_names");
    if (study == nullptr || names == attribute.end()) return;
    for (std::size_t i = 0; i < std::min(names->size(), study->objectives.size()); ++i)
      study->objectives[i].metric = names->at(i).get<std::string>();
  }

  void create_trial(const Json& record) {
    const StoredStudy* study = study_of(record);
    if (study == nullptr) return;
    StoredTrial& trial = reader.add_trial(study - reader.studies_.data());
    trial.own = by_manta(record);
    const auto distributions = record.find("distributions");
    if (distributions != record.end()) {
      for (const auto& [name, text] : distributions->items()) {
        put(trial, {name, distribution_of(text.get<std::string>()), number_of(record.at("params").at(name))});
      }
    }
    if (record.contains("user_attrs")) attributes(trial, record.at("user_attrs"), false);
    if (record.contains("system_attrs")) attributes(trial, record.at("system_attrs"), true);
    if (record.contains("intermediate_values")) {
      for (const auto& [step, value] : record.at("intermediate_values").items()) {
        report(trial, {std::stoll(step), number_of(value)});
      }
    }
    enter(trial, record.value("state", static_cast<int>(kRunning)), values_of(record));
    if (record.contains("seconds")) trial.record.seconds = record.at("seconds").get<double>();
    note(trial);
  }

  // The trial that a record changes; null where it belongs to a deleted study or has ended, after which Optuna lets
  // nothing change.
  StoredTrial* trial_of(const Json& record) {
    const auto id = record.at("trial_id").get<std::size_t>();
    if (id >= reader.ids_.size()) throw std::runtime_error("there is no trial " + std::to_string(id));
    const auto [study, number] = reader.ids_[id];
    StoredStudy& of = reader.studies_[static_cast<std::size_t>(study)];
    if (of.deleted) return nullptr;
    StoredTrial& trial = of.trials[static_cast<std::size_t>(number)];
    return trial.record.status == TrialStatus::running ? &trial : nullptr;
  }
  void set_param(const Json& record) {
    StoredTrial* trial = trial_of(record);
    if (trial == nullptr) return;
    put(*trial,
        {record.at("param_name").get<std::string>(), distribution_of(record.at("distribution").get<std::string>()),
         number_of(record.at("param_value_internal"))});
    note(*trial);
  }
  void set_state(const Json& record) {
    StoredTrial* trial = trial_of(record);
    if (trial == nullptr) return;
    const int state = record.at("state").get<int>();
    if (state == kRunning && !trial->waiting) return;  // it is another program's already
    if (state == kRunning) trial->own = by_manta(record);
    enter(*trial, state, values_of(record));
    trial->record.seconds = record.value("seconds", 0.0);
    note(*trial);
  }
  void add_report(const Json& record) {
    StoredTrial* trial = trial_of(record);
    if (trial == nullptr) return;
    report(*trial, {record.at("step").get<std::int64_t>(), number_of(record.at("intermediate_value"))});
    note(*trial);
  }
  void attribute(const Json& record, const char* name) {
    StoredTrial* trial = trial_of(record);
    if (trial == nullptr) return;
    attributes(*trial, record.at(name), name == std::string_view("system_attr"));
    note(*trial);
  }

  static bool by_manta(const Json& record) { return record.value("worker_id", "").starts_with("manta-"); }
  static void put(StoredTrial& trial, Param param) {
    if (param.distribution.kind == Distribution::Kind::categorical && !param.distribution.contains(param.number)) {
      throw std::runtime_error("the choice of '" + param.name + "' is none of its distribution's");
    }
    const auto [place, is_new] = trial.places.emplace(param.name, trial.record.params.size());
    if (is_new) return trial.record.params.push_back(std::move(param));
    trial.record.params[place->second] = std::move(param);
  }
  void report(StoredTrial& trial, const Intermediate& report) {
    if (&trial == mine(trial)) reader.reports_.emplace_back(trial.record.number, report);
    // A trial that was run again reported anew.
    std::vector<Intermediate>& reports = trial.record.reports;
    while (!reports.empty() && reports.back().iteration >= report.iteration) reports.pop_back();
    reports.push_back(report);
  }
  static void attributes(StoredTrial& trial, const Json& given, bool system) {
    for (const auto& [name, value] : given.items()) {
      if (system) constraint(trial, name, value);
      if (name == "error" && value.is_string()) trial.record.error = value.get<std::string>();
      if (name == "fixed_params" && value.is_object()) {
        for (const auto& [param, fixed] : value.items()) trial.fixed[param] = value_of(fixed);
      }
      if (name != "metrics" || !value.is_object()) continue;
      for (const auto& [metric, number] : value.items()) {
        if (number.is_number() || number.is_string()) trial.record.metrics[metric] = number_of(number);
      }
    }
  }
  // Optuna 5 has an attribute for each; before there was one with the list of all, for which it now has their places.
  static void constraint(StoredTrial& trial, const std::string& name, const Json& value) {
    constexpr std::string_view kList = "constraints", kPrefix = "constraints:";
    if (name.starts_with(kPrefix)) trial.record.constraints[name.substr(kPrefix.size())] = number_of(value);
    if (name != kList || !value.is_array()) return;
    for (std::size_t i = 0; i < value.size(); ++i) trial.record.constraints[std::to_string(i)] = number_of(value.at(i));
  }
  void enter(StoredTrial& trial, int state, const std::vector<double>& values) {
    trial.waiting = state == kWaiting;
    trial.queued |= trial.waiting;
    trial.record.status = state == kComplete ? TrialStatus::complete
                          : state == kPruned ? TrialStatus::stopped
                          : state == kFailed ? TrialStatus::failed
                                             : TrialStatus::running;
    if (values.empty()) return;
    trial.record.value = values.front();
    if (values.size() > 1) trial.record.values = values;
    const StoredStudy& study = reader.studies_[static_cast<std::size_t>(reader.ids_[index(trial)].first)];
    if (!trial.record.metrics.empty()) return;
    for (std::size_t i = 0; i < std::min(values.size(), study.objectives.size()); ++i) {
      if (!study.objectives[i].metric.empty()) trial.record.metrics[study.objectives[i].metric] = values[i];
    }
  }
  std::size_t index(const StoredTrial& trial) const { return static_cast<std::size_t>(trial.id); }
  // The trial, if it is one of the chosen study, or none is chosen yet.
  const StoredTrial* mine(const StoredTrial& trial) const {
    return reader.study_ < 0 || reader.ids_[index(trial)].first == reader.study_ ? &trial : nullptr;
  }
  void note(const StoredTrial& trial) {
    if (reader.study_ >= 0 && mine(trial) != nullptr) changed.push_back(trial.record.number);
  }
};

std::vector<std::int64_t> JournalReader::read(std::string_view lines) {
  std::vector<std::int64_t> changed;
  Records records{*this, changed};
  for (std::size_t at = 0; at < lines.size();) {
    const std::size_t end = std::min(lines.find('\n', at), lines.size());
    const std::string_view text = lines.substr(at, end - at);
    ++line_;
    try {
      const bool plain = text.find("NaN") == std::string_view::npos && text.find("Infinity") == std::string_view::npos;
      records.apply(plain ? Json::parse(text) : Json::parse(report::with_quoted_nan(text)));
    } catch (const std::exception& error) {
      throw Error(ErrorCode::invalid_argument, path_.string() + ":" + std::to_string(line_) +
                                                   ": this line is no record of a study's journal: " + error.what() +
                                                   ". Next: move the file away, or give another RunConfig::name.");
    }
    at = end + 1;
  }
  std::sort(changed.begin(), changed.end());
  changed.erase(std::unique(changed.begin(), changed.end()), changed.end());
  return changed;
}

bool JournalReader::choose(std::string_view name) {
  std::string names;
  std::size_t there = 0;
  for (std::size_t id = 0; id < studies_.size(); ++id) {
    const StoredStudy& study = studies_[id];
    if (study.deleted) continue;
    names += (there++ == 0 ? "" : ", ") + study.name;
    if (study_ < 0 || study.name == name) study_ = static_cast<std::int64_t>(id);
  }
  if (there == 0) return false;
  if (there > 1 && chosen().name != name) {
    throw Error(ErrorCode::invalid_argument, path_.string() + " holds the studies " + names + ", none of them named " +
                                                 std::string(name) +
                                                 ". Next: give the one that is meant as "
                                                 "RunConfig::name.");
  }
  std::erase_if(reports_, [&](const auto&) { return there > 1; });  // those of other studies are among them
  if (there > 1) {
    for (const StoredTrial& trial : chosen().trials) {
      for (const Intermediate& report : trial.record.reports) reports_.emplace_back(trial.record.number, report);
    }
  }
  return true;
}

std::int64_t JournalReader::add_study(std::string_view name, std::vector<Objective> objectives) {
  StoredStudy study;
  study.name = name;
  study.objectives = std::move(objectives);
  studies_.push_back(std::move(study));
  return static_cast<std::int64_t>(studies_.size()) - 1;
}

StoredTrial& JournalReader::add_trial(std::int64_t study) {
  std::vector<StoredTrial>& trials = studies_[static_cast<std::size_t>(study)].trials;
  StoredTrial trial;
  trial.record.number = static_cast<std::int64_t>(trials.size());
  trial.id = static_cast<std::int64_t>(ids_.size());
  ids_.emplace_back(study, trial.record.number);
  trials.push_back(std::move(trial));
  return trials.back();
}

void JournalReader::made_study(std::string_view name, const std::vector<Objective>& objectives) {
  study_ = add_study(name, objectives);
}

void JournalReader::made_trial(std::int64_t number) {
  if (number != static_cast<std::int64_t>(size())) {
    throw Error(ErrorCode::internal, "the journal " + path_.string() + " takes trial " + std::to_string(size()) +
                                         " next, not " + std::to_string(number));
  }
  add_trial(study_).own = true;
}

}  // namespace manta::tune::detail
