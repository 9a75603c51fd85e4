#include "tests/stress/effects.h"

#include <dirent.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace manta::stress {

std::atomic<std::uint32_t>* Effects::cells_ = nullptr;

void Effects::prepare() {
  constexpr const char* kVariable = "MANTA_STRESS_EFFECTS";
  constexpr std::size_t kBytes = (std::size_t{kTasks} + kMarks) * sizeof(std::uint32_t);
  const char* number = std::getenv(kVariable);
  // Without close-on-exec: workers have the descriptors that were open before init, also when they are executed.
  const int fd = number != nullptr ? std::atoi(number) : ::memfd_create("stress-effects", 0);
  if (number == nullptr) {
    if (fd < 0 || ::ftruncate(fd, kBytes) != 0) std::abort();
    ::setenv(kVariable, std::to_string(fd).c_str(), 1);
  }
  void* mapped = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) std::abort();
  cells_ = static_cast<std::atomic<std::uint32_t>*>(mapped);
}

namespace {

std::string name_of(int pid) {
  std::string name;
  std::ifstream file("/proc/" + std::to_string(pid) + "/comm");
  std::getline(file, name);
  return name;
}

std::vector<int> children_of(int pid) {
  std::vector<int> children;
  std::ifstream file("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children");
  for (int child; file >> child;) children.push_back(child);
  return children;
}

}  // namespace

int Family::node_process() {
  for (const int guard : children_of(::getpid())) {
    for (const int node : children_of(guard)) {
      if (name_of(node) == "manta-node") return node;
    }
  }
  return 0;
}

int Family::victim(int node, std::uint64_t word) {
  std::vector<int> workers, zygotes;
  for (const int child : children_of(node)) {
    const std::string name = name_of(child);
    if (name == "manta-worker") workers.push_back(child);
    if (name == "manta-zygote") zygotes.push_back(child);
  }
  std::vector<int>& from = word % 8 == 0 && !zygotes.empty() ? zygotes : workers;
  return from.empty() ? 0 : from[(word >> 8) % from.size()];
}

bool Family::is_worker(int node, int pid) {
  for (const int child : children_of(node)) {
    if (child == pid) return name_of(pid) == "manta-worker";
  }
  return false;
}

int Family::count(int node) { return static_cast<int>(children_of(node).size()); }

std::size_t Family::descriptors(int pid) {
  std::size_t n = 0;
  if (DIR* dir = ::opendir(("/proc/" + std::to_string(pid) + "/fd").c_str())) {
    while (const dirent* entry = ::readdir(dir)) n += entry->d_name[0] != '.';
    ::closedir(dir);
  }
  return n - (pid == ::getpid() ? 1 : 0);
}

std::size_t Family::mappings(int pid) {
  std::ifstream maps("/proc/" + std::to_string(pid) + "/maps");
  std::size_t n = 0;
  for (std::string line; std::getline(maps, line);) n += line.find("memfd:manta-") != std::string::npos;
  return n;
}

std::size_t Family::resident_kib(int pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return static_cast<std::size_t>(std::atoll(line.c_str() + 6));
  }
  return 0;
}

}  // namespace manta::stress
