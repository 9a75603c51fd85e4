// A request to end a task before its time, and the process that makes it.
#pragma once

#include <string>

namespace manta::owner {

struct Cancellation {
  bool force = false;     // where it runs, its process is killed
  bool recursive = true;  // and what it has submitted is cancelled too
  std::string by;         // for people
};

}  // namespace manta::owner
