#include "rl/algorithms/policy_description.h"

#include <cmath>
#include <limits>

#include <nlohmann/json.hpp>

#include <manta/error.h>

namespace manta::rl::detail {
namespace {

using Json = nlohmann::json;

Json bounds(const std::vector<float>& values) {
  Json list = Json::array();
  for (const float value : values) {
    list.push_back(std::isfinite(value) ? Json(value) : Json(value > 0 ? "Infinity" : "-Infinity"));
  }
  return list;
}

std::vector<float> bounds_of(const Json& list) {
  std::vector<float> values;
  for (const Json& each : list) {
    const float infinite =
        each == "-Infinity" ? -std::numeric_limits<float>::infinity() : std::numeric_limits<float>::infinity();
    values.push_back(each.is_string() ? infinite : each.get<float>());
  }
  return values;
}

Json json_of(const Box& box) { return {{"low", bounds(box.low)}, {"high", bounds(box.high)}}; }
Box box_of(const Json& json) { return {bounds_of(json.at("low")), bounds_of(json.at("high"))}; }

}  // namespace

std::string text_of(const PolicyDescription& description) {
  const auto* discrete = std::get_if<Discrete>(&description.actions);
  const Json json{
      {"algorithm", description.algorithm},
      {"observations", json_of(description.observations)},
      {"actions", discrete != nullptr ? Json{{"n", discrete->n}} : json_of(std::get<Box>(description.actions))},
      {"hidden_sizes", description.layers.hidden_sizes},
      {"activation", description.layers.activation == Activation::tanh ? "tanh" : "relu"},
      {"normalizes", description.normalizes},
      {"epsilon", description.epsilon}};
  return json.dump();
}

PolicyDescription policy_of_text(const std::string& text) {
  try {
    const Json json = Json::parse(text);
    PolicyDescription description;
    description.algorithm = json.at("algorithm").get<std::string>();
    description.observations = box_of(json.at("observations"));
    const Json& actions = json.at("actions");
    if (actions.contains("n")) description.actions = Discrete{actions.at("n").get<std::int64_t>()};
    if (!actions.contains("n")) description.actions = box_of(actions);
    description.layers.hidden_sizes = json.at("hidden_sizes").get<std::vector<std::int64_t>>();
    description.layers.activation = json.at("activation") == "tanh" ? Activation::tanh : Activation::relu;
    description.normalizes = json.at("normalizes").get<bool>();
    description.epsilon = json.at("epsilon").get<double>();
    return description;
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::invalid_argument,
                std::string("what describes the policy is not as Policy::save writes it: ") + error.what() +
                    ". Next: save it again.");
  }
}

train::NamedTensors parameters_of(const torch::nn::Module& network) {
  train::NamedTensors tensors;
  for (const auto& parameter : network.named_parameters()) tensors[parameter.key()] = parameter.value().detach();
  return tensors;
}

}  // namespace manta::rl::detail
