// What a process and all below it use: CPU time and memory, read from /proc.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace manta::bench {

struct ProcessMemory {
  pid_t pid = 0;
  std::string name;  // comm, at most 15 characters
  double pss_mib = 0;
  double rss_mib = 0;
};

// root, and every process whose chain of parents leads to it; those that ended are left out.
std::vector<pid_t> process_tree(pid_t root);
// User and system time so far, in nanosecond resolution; processes that have ended do not count.
double cpu_seconds(const std::vector<pid_t>& processes);
// Non-idle time of all CPUs since boot, steal included; resolution 10 ms.
double machine_busy_seconds();
// From smaps_rollup, which is exact, unlike statm; a page that k processes share counts 1/k in each one's PSS.
ProcessMemory memory_of(pid_t process);

}  // namespace manta::bench
