// A whole program run by a test: this executable again, with everything that it and its workers wrote.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

namespace manta::e2e {

struct ProgramRun {
  std::string out;  // of its stdout
  std::string err;  // of its stderr
  int status = 0;   // exit status; below 0: the signal that ended it
  pid_t process = 0;
  bool in_time = true;  // both streams ended within the limit
};

// Runs it with these arguments and variables NAME=value of the environment, until no process has its streams open.
ProgramRun run_program(const std::vector<std::string>& arguments, const std::vector<std::string>& environment = {},
                       std::chrono::milliseconds limit = std::chrono::seconds(30));

// The lines of a text in sorted order, each "pid=N" as "pid=#".
std::vector<std::string> lines_of(const std::string& text);

}  // namespace manta::e2e
