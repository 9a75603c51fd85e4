// What a run reports of itself: numbers by name.
#pragma once

#include <map>
#include <string>

namespace manta::report {

/// For example {{"epoch", 3}, {"step", 1407}, {"loss", 0.21}, {"accuracy", 0.973}}. Counts are exact up to 2^53.
using Metrics = std::map<std::string, double>;

}  // namespace manta::report
