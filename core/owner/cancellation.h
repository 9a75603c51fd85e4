// How a task is to end before its time, and who asks.
#pragma once

#include <string>

namespace manta::owner {

struct Cancellation {
  bool force = false;     // where it runs, its process is killed
  bool recursive = true;  // and what it has submitted is cancelled too
  std::string by;         // for people
};

}  // namespace manta::owner
