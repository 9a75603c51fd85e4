#include "core/node/container.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

namespace manta::node {

namespace {

namespace fs = std::filesystem;

std::optional<std::uint64_t> number_in(const fs::path& path) {
  std::uint64_t number = 0;
  if (std::ifstream(path) >> number) return number;  // "max" is none, and so is -1
  return std::nullopt;
}

// A line "name: 123 kB" or "name 123" of a file.
std::optional<std::uint64_t> field_in(const fs::path& path, const std::string& name) {
  std::ifstream file(path);
  std::string word;
  std::uint64_t value = 0;
  while (file >> word) {
    if (word == name && file >> value) return value;
    file.ignore(1 << 16, '\n');
  }
  return std::nullopt;
}

std::vector<std::string> words_of(const std::string& line, char separator) {
  std::vector<std::string> words;
  std::istringstream text(line);
  for (std::string word; std::getline(text, word, separator);) words.push_back(word);
  return words;
}

bool has_word(const std::string& list, const std::string& word) {
  const std::vector<std::string> words = words_of(list, ',');
  return std::find(words.begin(), words.end(), word) != words.end();
}

// mountinfo writes blanks and backslashes as \040 and the like.
std::string unescaped(const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      plain += static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

struct Mount {
  std::string group;  // that is mounted there: "/" or, in a container, its own
  std::string place;
  std::string type;     // cgroup or cgroup2
  std::string options;  // with version 1: the controllers
};

std::vector<Mount> mounts_in(const fs::path& mountinfo) {
  std::vector<Mount> mounts;
  std::ifstream file(mountinfo);
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> words = words_of(line, ' ');
    const auto dash = std::find(words.begin(), words.end(), "-");
    if (words.size() < 6 || words.end() - dash < 4 || !(dash + 1)->starts_with("cgroup")) continue;
    mounts.push_back({unescaped(words[3]), unescaped(words[4]), *(dash + 1), *(dash + 3)});
  }
  return mounts;
}

// A group's path as seen from the mount's: "/docker/ab" of "/docker/ab" is "", of "/" is "docker/ab". What lies outside
// of the mount is not visible: then the mount's own group is the nearest.
std::string below(const std::string& group, const std::string& mounted) {
  if (group.find("/..") != std::string::npos) return "";
  if (mounted == "/") return group.substr(std::min<std::size_t>(1, group.size()));
  if (!group.starts_with(mounted + "/")) return "";
  return group.substr(mounted.size() + 1);
}

}  // namespace

Container::Container(const fs::path& root) : root_(root) {}

// That of version 1 which has the controller, where there is one, and that of version 2, whose groups may have it.
std::vector<Container::Hierarchy> Container::hierarchies(const std::string& controller) const {
  std::vector<Hierarchy> found;
  const std::vector<Mount> mounts = mounts_in(root_ / "proc/self/mountinfo");
  std::ifstream file(root_ / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {  // "4:memory:/group", "0::/group"
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    const bool version2 = controllers.empty();
    if (!version2 && !has_word(controllers, controller)) continue;
    const auto mount = std::find_if(mounts.begin(), mounts.end(), [&](const Mount& m) {
      return version2 ? m.type == "cgroup2" : m.type == "cgroup" && has_word(m.options, controller);
    });
    if (mount == mounts.end()) continue;
    const fs::path top = root_ / fs::path(mount->place).relative_path();
    Hierarchy hierarchy{version2, {}};
    std::error_code error;
    for (fs::path part = below(group, mount->group); !part.empty(); part = part.parent_path()) {
      if (fs::is_directory(top / part, error)) hierarchy.groups.push_back(top / part);
    }
    hierarchy.groups.push_back(top);
    found.push_back(std::move(hierarchy));
  }
  return found;
}

std::optional<double> Container::cpu_quota() const {
  std::optional<double> least;
  for (const Hierarchy& hierarchy : hierarchies("cpu")) {
    for (const fs::path& group : hierarchy.groups) {
      double quota = 0, period = 0;
      if (hierarchy.version2) {
        std::ifstream(group / "cpu.max") >> quota >> period;  // "max 100000" is no quota
      } else {
        std::ifstream(group / "cpu.cfs_quota_us") >> quota;  // -1: none
        std::ifstream(group / "cpu.cfs_period_us") >> period;
      }
      if (quota > 0 && period > 0) least = std::min(quota / period, least.value_or(quota / period));
    }
  }
  return least;
}

std::uint64_t Container::machine_memory() const {
  return field_in(root_ / "proc/meminfo", "MemTotal:").value_or(0) * 1024;
}

// What each group may use and uses; of those that have a limit which the machine's memory does not go below.
std::vector<MemoryUse> Container::limited_groups() const {
  std::vector<MemoryUse> limited;
  const std::uint64_t machine = machine_memory();
  for (const Hierarchy& hierarchy : hierarchies("memory")) {
    for (const fs::path& group : hierarchy.groups) {
      auto limit = number_in(group / (hierarchy.version2 ? "memory.max" : "memory.limit_in_bytes"));
      if (!hierarchy.version2) {
        const auto of_all = field_in(group / "memory.stat", "hierarchical_memory_limit");
        if (of_all) limit = std::min(*of_all, limit.value_or(*of_all));
      }
      if (!limit || (machine != 0 && *limit >= machine)) continue;
      const auto used = number_in(group / (hierarchy.version2 ? "memory.current" : "memory.usage_in_bytes"));
      const std::uint64_t cache =  // given back when needed
          field_in(group / "memory.stat", hierarchy.version2 ? "inactive_file" : "total_inactive_file").value_or(0);
      limited.push_back({used.value_or(0) - std::min(cache, used.value_or(0)), *limit});
    }
  }
  return limited;
}

std::optional<std::uint64_t> Container::memory_limit() const {
  std::optional<std::uint64_t> least;
  for (const MemoryUse& group : limited_groups())
    least = std::min(group.total_bytes, least.value_or(group.total_bytes));
  return least;
}

std::optional<MemoryUse> Container::memory_use() const {
  const std::uint64_t total = machine_memory();
  const std::uint64_t available = field_in(root_ / "proc/meminfo", "MemAvailable:").value_or(0) * 1024;
  std::optional<MemoryUse> tightest;
  if (total != 0) tightest = MemoryUse{total - std::min(available, total), total};
  const auto left = [](const MemoryUse& use) { return use.total_bytes - std::min(use.used_bytes, use.total_bytes); };
  for (const MemoryUse& group : limited_groups()) {
    if (!tightest || left(group) < left(*tightest)) tightest = group;
  }
  return tightest;
}

std::uint64_t Container::memory_kills() const {
  for (const Hierarchy& hierarchy : hierarchies("memory")) {
    const fs::path file = hierarchy.groups.front() / (hierarchy.version2 ? "memory.events" : "memory.oom_control");
    if (const auto kills = field_in(file, "oom_kill")) return *kills;
  }
  return field_in(root_ / "proc/vmstat", "oom_kill").value_or(0);
}

int default_cpus(int by_affinity, const std::optional<double>& quota) {
  const int usable = std::max(by_affinity, 1);
  if (!quota || *quota >= usable) return usable;
  return std::max(1, static_cast<int>(std::ceil(*quota - 1e-9)));
}

}  // namespace manta::node
