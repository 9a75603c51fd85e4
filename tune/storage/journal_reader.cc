#include <cmath>
#include <string>

#include <nlohmann/json.hpp>

#include <manta/files/file.h>
#include <manta/report/text.h>

#include "tune/storage/journal.h"

namespace manta::tune::detail {

namespace {

using Json = nlohmann::ordered_json;  // parameters in the order in which they were drawn

constexpr std::size_t kMostBytes = std::size_t{4} << 30;

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
  distribution.kind = name == "IntDistribution" ? Distribution::Kind::integer : Distribution::Kind::real;
  distribution.low = attributes.at("low").get<double>();
  distribution.high = attributes.at("high").get<double>();
  distribution.log = attributes.value("log", false);
  return distribution;
}

class Replay {
 public:
  explicit Replay(StoredStudy& study) : study_(study) {}

  void apply(const Json& record) {
    switch (record.at("op_code").get<int>()) {
      case 0:
        return create_study(record);
      case 3:
        return study_attribute(record.at("system_attr"));
      case 4:
        return create_trial(record);
      case 5:
        return set_param(record);
      case 6:
        return end_trial(record);
      case 7:
        return add_report(record);
      case 8:
        return trial_attribute(record);
      default:
        return;  // notes of people, what others keep for themselves
    }
  }
  bool any() const { return studies_ > 0; }

 private:
  void create_study(const Json& record) {
    if (++studies_ > 1) throw std::runtime_error("it begins a second study; a folder holds one");
    study_.name = record.at("study_name").get<std::string>();
    study_.mode = record.at("directions").at(0).get<int>() == 2 ? Mode::max : Mode::min;
  }
  void study_attribute(const Json& attribute) {
    const auto names = attribute.find("study:metric_names");
    if (names != attribute.end() && !names->empty()) study_.metric = names->at(0).get<std::string>();
  }
  void create_trial(const Json& record) {
    TrialRecord trial;
    trial.number = static_cast<std::int64_t>(study_.trials.size());
    const Json none = Json::object();
    const Json& distributions = record.contains("distributions") ? record.at("distributions") : none;
    for (const auto& [name, text] : distributions.items()) {
      trial.params.push_back({name, distribution_of(text.get<std::string>()), number_of(record.at("params").at(name))});
    }
    study_.trials.push_back(std::move(trial));
  }
  TrialRecord& trial_of(const Json& record) {
    const auto number = record.at("trial_id").get<std::size_t>();
    if (number >= study_.trials.size()) throw std::runtime_error("there is no trial " + std::to_string(number));
    return study_.trials[number];
  }
  void set_param(const Json& record) {
    std::vector<Param>& params = trial_of(record).params;
    Param param{record.at("param_name").get<std::string>(),
                distribution_of(record.at("distribution").get<std::string>()),
                number_of(record.at("param_value_internal"))};
    std::erase_if(params, [&](const Param& each) { return each.name == param.name; });
    params.push_back(std::move(param));
  }
  void end_trial(const Json& record) {
    TrialRecord& trial = trial_of(record);
    const int state = record.at("state").get<int>();
    if (trial.status != TrialStatus::running || state < 1 || state > 3) return;
    trial.status = state == 1 ? TrialStatus::complete : state == 2 ? TrialStatus::stopped : TrialStatus::failed;
    if (!record.at("values").is_null()) trial.value = number_of(record.at("values").at(0));
    if (trial.metrics.empty() && trial.value && !study_.metric.empty()) trial.metrics[study_.metric] = *trial.value;
    trial.seconds = record.value("seconds", 0.0);
  }
  void add_report(const Json& record) {
    TrialRecord& trial = trial_of(record);
    const Intermediate report{record.at("step").get<std::int64_t>(), number_of(record.at("intermediate_value"))};
    study_.reports.emplace_back(trial.number, report);
    // A trial that was run again reported anew.
    std::erase_if(trial.reports, [&](const Intermediate& each) { return each.iteration >= report.iteration; });
    trial.reports.push_back(report);
  }
  void trial_attribute(const Json& record) {
    TrialRecord& trial = trial_of(record);
    for (const auto& [name, value] : record.at("user_attr").items()) {
      if (name == "error") trial.error = value.get<std::string>();
      if (name != "metrics") continue;
      for (const auto& [metric, number] : value.items()) trial.metrics[metric] = number_of(number);
    }
  }

  StoredStudy& study_;
  int studies_ = 0;
};

}  // namespace

StoredStudy read_journal(const std::filesystem::path& path) {
  const std::string content = files::read_file(path, kMostBytes);
  StoredStudy study;
  Replay replay(study);
  std::size_t line = 1;
  for (std::size_t at = 0; at < content.size(); ++line) {
    const std::size_t end = content.find('\n', at);
    if (end == std::string::npos) break;  // JOURNAL-1
    const std::string_view text = std::string_view(content).substr(at, end - at);
    try {
      const bool plain = text.find("NaN") == std::string_view::npos && text.find("Infinity") == std::string_view::npos;
      replay.apply(plain ? Json::parse(text) : Json::parse(report::with_quoted_nan(text)));
    } catch (const std::exception& error) {
      throw Error(ErrorCode::invalid_argument, path.string() + ":" + std::to_string(line) +
                                                   ": this line is no record of a study's journal: " + error.what() +
                                                   ". Next: move the file away, or give another RunConfig::name.");
    }
    at = end + 1;
    study.whole_bytes = at;
  }
  if (!replay.any()) study.whole_bytes = 0;  // cut in its first record
  return study;
}

}  // namespace manta::tune::detail
