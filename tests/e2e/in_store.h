#pragma once

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>

namespace manta::e2e {

// Whether data lies in memory that the store shares between processes.
inline bool in_store(const void* data) {
  std::ifstream maps("/proc/self/maps");
  const auto at = reinterpret_cast<std::uintptr_t>(data);
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t from = 0, to = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx", &from, &to) == 2 && from <= at && at < to) {
      return line.find("memfd:manta-arena") != std::string::npos;
    }
  }
  return false;
}

}  // namespace manta::e2e
