#include "core/node/memory_monitor.h"

#include <algorithm>
#include <fstream>

namespace manta::node {

namespace {

constexpr std::uint64_t kWorthIt = 16 << 20;  // a worker that uses less is not ended for it

// A line "name: 123 kB" or "name 123" of a file, from where it is read on.
std::uint64_t field_of(std::istream& file, const std::string& name) {
  std::string word;
  std::uint64_t value = 0;
  while (file >> word) {
    if (word == name && file >> value) return value;
    file.ignore(1 << 16, '\n');
  }
  return 0;
}

}  // namespace

ClientId choose_to_end(const std::vector<MemoryUser>& users) {
  std::uint64_t biggest = 0;
  for (const MemoryUser& user : users) biggest = std::max(biggest, user.bytes);
  using Kind = sched::Occupant::Kind;
  for (const Kind kind : {Kind::idle, Kind::task, Kind::actor}) {
    std::uint64_t most = 0;
    for (const MemoryUser& user : users) {
      if (user.worker.kind == kind) most = std::max(most, user.bytes);
    }
    if (most < kWorthIt || most < biggest / 8) continue;
    const MemoryUser* chosen = nullptr;
    for (const MemoryUser& user : users) {
      if (user.worker.kind != kind || user.bytes < most / 4 * 3) continue;
      if (chosen == nullptr || user.worker.since > chosen->worker.since) chosen = &user;
    }
    return chosen->worker.worker;
  }
  return {};
}

std::uint64_t read_private_bytes(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  return field_of(status, "RssAnon:") * 1024;
}

}  // namespace manta::node
