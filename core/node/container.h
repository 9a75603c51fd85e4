// What the container (control groups of version 1 and 2, each with its ancestors) lets this process use.
//
// Control groups are found as the kernel names them: /proc/self/cgroup says in which group the process is,
// /proc/self/mountinfo where each hierarchy is mounted and from which group on. Limits of groups above that one are not
// visible from inside a container; version 1's hierarchical_memory_limit says the memory limit nevertheless.
//
// Threading: any; the object is not changed after construction. Ownership: none; each question reads the files anew.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace manta::node {

struct MemoryUse {
  std::uint64_t used_bytes = 0;
  std::uint64_t total_bytes = 0;
  bool above(double threshold) const {
    return total_bytes > 0 && static_cast<double>(used_bytes) > threshold * static_cast<double>(total_bytes);
  }
};

class Container {
 public:
  // root: "/"; tests give a folder with a tree of their own below it.
  explicit Container(const std::filesystem::path& root = "/");

  // CPUs that the quotas allow, 0.5 for half of one; the least of all groups. None: no quota.
  std::optional<double> cpu_quota() const;
  // The least of all groups. None: no limit, or one that the machine's memory is below.
  std::optional<std::uint64_t> memory_limit() const;
  // Of the group that has the least left; without a limit of the machine. None: it cannot be read.
  std::optional<MemoryUse> memory_use() const;
  // How many processes of this process' group (of the machine, where groups do not count) the kernel has killed because
  // memory ran out.
  std::uint64_t memory_kills() const;

 private:
  struct Hierarchy {
    bool version2 = false;
    std::vector<std::filesystem::path> groups;  // folders: that of this process, then its ancestors
  };
  std::vector<MemoryUse> limited_groups() const;
  std::vector<Hierarchy> hierarchies(const std::string& controller) const;
  std::uint64_t machine_memory() const;

  std::filesystem::path root_;
};

// CPUs that a node offers by default: those that the process may run on (affinity), at most the container's quota,
// rounded up, and at least one.
int default_cpus(int by_affinity, const std::optional<double>& quota);

}  // namespace manta::node
