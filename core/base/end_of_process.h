// How a process has ended, as text: the first line says how ("was killed by signal 11 (SIGSEGV)"), further lines, where
// there are any, are its stack.
#pragma once

#include <string>
#include <string_view>

namespace manta {

inline std::string_view first_line(std::string_view status) { return status.substr(0, status.find('\n')); }

// A sentence about that end, the stack below it.
inline std::string about_end(std::string_view before, std::string_view status, std::string_view after = {}) {
  const std::string_view how = first_line(status);
  std::string text(before);
  text += how;
  text += after;
  text += status.substr(how.size());
  return text;
}

}  // namespace manta
