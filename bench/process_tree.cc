#include "bench/process_tree.h"

#include <dirent.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <map>

namespace manta::bench {

namespace {

pid_t parent_of(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/stat");
  std::string line;
  if (!std::getline(file, line)) return 0;
  const std::size_t name_end = line.rfind(')');  // the name may hold anything
  return name_end == std::string::npos ? 0 : std::atoi(line.c_str() + name_end + 4);
}

}  // namespace

std::vector<pid_t> process_tree(pid_t root) {
  std::multimap<pid_t, pid_t> children;
  if (DIR* dir = ::opendir("/proc")) {
    while (const dirent* entry = ::readdir(dir)) {
      if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
      if (const pid_t parent = parent_of(entry->d_name)) children.emplace(parent, std::atoi(entry->d_name));
    }
    ::closedir(dir);
  }
  std::vector<pid_t> tree{root};
  for (std::size_t i = 0; i < tree.size(); ++i) {
    const auto [begin, end] = children.equal_range(tree[i]);
    for (auto child = begin; child != end; ++child) tree.push_back(child->second);
  }
  return tree;
}

double cpu_seconds(const std::vector<pid_t>& processes) {
  double sum = 0;
  for (const pid_t process : processes) {
    clockid_t clock = 0;
    timespec time = {};
    if (::clock_getcpuclockid(process, &clock) != 0 || ::clock_gettime(clock, &time) != 0) continue;
    sum += static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
  }
  return sum;
}

double machine_busy_seconds() {
  std::ifstream file("/proc/stat");
  std::string label;
  double user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0;
  file >> label >> user >> nice >> system >> idle >> iowait >> irq >> softirq >> steal;
  return (user + nice + system + irq + softirq + steal) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

ProcessMemory memory_of(pid_t process) {
  ProcessMemory memory;
  memory.pid = process;
  const std::string folder = "/proc/" + std::to_string(process);
  std::ifstream name(folder + "/comm");
  std::getline(name, memory.name);
  std::ifstream rollup(folder + "/smaps_rollup");
  for (std::string line; std::getline(rollup, line);) {
    const auto mib = [&] { return std::atof(line.c_str() + line.find(':') + 1) / 1024; };
    if (line.starts_with("Pss:")) memory.pss_mib = mib();
    if (line.starts_with("Rss:")) memory.rss_mib = mib();
  }
  return memory;
}

}  // namespace manta::bench
