// Why a demand is not granted now: for messages to people.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <manta/ids.h>

#include "core/sched/shape.h"

namespace manta::sched {

// A lease that holds some of what is lacking.
struct LeaseHolder {
  ClientId worker;
  bool actor = false;
  Time since{0};
};

struct Shortage {
  std::string what;                  // "asks for CPU: 1, of CPU: 2 here 0 is free"; empty: nothing is lacking now
  std::string advice;                // "raise InitOptions::num_cpus"
  std::vector<LeaseHolder> holders;  // those for the longest time first
};

}  // namespace manta::sched
