// A stand-in for the runtime, for tests of the front end: tasks run in the calling thread when they are submitted, or,
// when the test holds them back, when they are waited for or released.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <manta/detail/runtime_api.h>

namespace manta::testing {

// What the last submitted task looked like at the boundary.
struct SubmittedTask {
  detail::FunctionId function;
  std::string name;  // TaskOptions::name
  double num_cpus = 0;
  int max_retries = 0;
  std::uint32_t ref_mask = 0;
  std::size_t references = 0;
  bool framed = false;
  std::size_t refs_in_values = 0;
};

const SubmittedTask& last_task();
std::size_t tasks_submitted();
// Entries that are alive: 0 at the end of a test, or a reference leaked.
std::size_t live_entries();
// Calls into wait_resolved, wait_any and read_value since the start.
std::size_t waits();
// Since the start, for each time that entries were asked for together: calls into wait_resolved before that, and how
// many they were. Tasks that are held back count as another process'.
struct Asked {
  std::size_t waits = 0;
  std::size_t entries = 0;
};
const std::vector<Asked>& asked();

// While it lives, tasks are kept, oldest first, until run() or a wait for one of them.
class HoldTasks {
 public:
  HoldTasks();
  ~HoldTasks();
  HoldTasks(const HoldTasks&) = delete;
  HoldTasks& operator=(const HoldTasks&) = delete;
  // Runs the index-th of those that were kept so far.
  void run(std::size_t index);
};

}  // namespace manta::testing
