// Values of a State in state.json.
#pragma once

#include <nlohmann/json.hpp>

#include <manta/train/report.h>
#include <manta/train/state.h>

namespace manta::train {

using Json = nlohmann::json;

// JSON has no NaN and no infinity: they become {"double": "NaN"}, "Infinity" or "-Infinity". All others survive to the
// bit.
Json to_json(double value);
Json to_json(const StateValue& value);
Json to_json(const StateDict& dict);
Json to_json(const Metrics& metrics);

// Throw Json::exception if it is something else.
double double_from(const Json& json);
StateValue value_from(const Json& json);
StateDict dict_from(const Json& json);
Metrics metrics_from(const Json& json);

}  // namespace manta::train
