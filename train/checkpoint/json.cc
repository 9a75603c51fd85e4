#include "train/checkpoint/json.h"

#include <cmath>
#include <limits>
#include <string>

namespace manta::train {

Json to_json(double value) {
  if (std::isfinite(value)) return value;
  return {{"double", std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity"}};
}

Json to_json(const StateValue& value) {
  if (const auto* number = std::get_if<double>(&value)) return to_json(*number);
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return *whole;
  return std::get<std::string>(value);
}

Json to_json(const StateDict& dict) {
  Json json = Json::object();
  for (const auto& [name, value] : dict) json[name] = to_json(value);
  return json;
}

Json to_json(const Metrics& metrics) {
  Json json = Json::object();
  for (const auto& [name, value] : metrics) json[name] = to_json(value);
  return json;
}

double double_from(const Json& json) {
  if (!json.is_object()) return json.get<double>();
  const auto text = json.at("double").get<std::string>();
  const double infinity = std::numeric_limits<double>::infinity();
  return text == "Infinity" ? infinity : text == "-Infinity" ? -infinity : std::numeric_limits<double>::quiet_NaN();
}

StateValue value_from(const Json& json) {
  if (json.is_string()) return json.get<std::string>();
  if (json.is_number_integer()) return json.get<std::int64_t>();
  return double_from(json);
}

StateDict dict_from(const Json& json) {
  StateDict dict;
  for (const auto& [name, value] : json.get_ref<const Json::object_t&>()) dict[name] = value_from(value);
  return dict;
}

Metrics metrics_from(const Json& json) {
  Metrics metrics;
  for (const auto& [name, value] : json.get_ref<const Json::object_t&>()) metrics[name] = double_from(value);
  return metrics;
}

}  // namespace manta::train
