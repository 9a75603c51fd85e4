#include "core/testing/sim_trace.h"

#include <algorithm>
#include <cstdio>

#include "core/testing/sim_ids.h"

namespace manta::sim {

std::string name_of_client(std::uint64_t id) {
  if (id == kHead.value) return "head";
  if (is_node(Address{id})) return "node " + std::to_string(id & ~kNodeBit);
  const std::string node = std::to_string(id >> kNodeShift);
  const std::uint64_t number = id & ((std::uint64_t{1} << kNodeShift) - 1);
  if (number >= kFirstDriver) return "driver " + node + "." + std::to_string(number - kFirstDriver);
  return "worker " + node + "." + std::to_string(number);
}

std::string Trace::format(const Line& line) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%12.3f us  ", static_cast<double>(line.at.count()) / 1000.0);
  std::string out = buffer;
  std::size_t next = 0;
  for (const char* c = line.text; *c != 0; ++c) {
    if (*c != '%' || c[1] == 0 || next >= line.numbers.size()) {
      out += *c;
      continue;
    }
    const std::uint64_t number = line.numbers[next++];
    switch (*++c) {
      case 'c':
        out += name_of_client(number);
        break;
      case 'o':
        std::snprintf(buffer, sizeof buffer, "o%05x", static_cast<unsigned>(number & 0xfffff));
        out += buffer;
        break;
      case 'l':
        out += "lease " + std::to_string(number & 0xffffffff);
        break;
      default:
        out += std::to_string(number);
    }
  }
  return out;
}

void Trace::print(const Line& line) { std::fprintf(stderr, "%s\n", format(line).c_str()); }

std::string Trace::last(std::size_t lines) const {
  const std::uint64_t n = std::min<std::uint64_t>({count_, lines, kKept});
  std::string out;
  for (std::uint64_t i = count_ - n; i < count_; ++i) out += format(lines_[i % kKept]) + "\n";
  return out;
}

}  // namespace manta::sim
