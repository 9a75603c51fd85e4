// Manta's own messages about what its processes do: on the standard error, a line each, from the level on that is set
// (warn at first; settings/log_level.h sets what MANTA_LOG names). Written by spdlog.
//
//   log::info("worker ", id, " ", status);
//   [manta 14:03:07.123 node 4711 info] worker 7 was killed by signal 9 (SIGKILL)
//
// Classes without I/O do not log: their callers do, from the effects.
//
// Threading: any thread; a line is written whole. Cost of a level that is off: a relaxed load. Errors: none, lines that
// cannot be written are lost.
#pragma once

#include <atomic>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>

namespace manta::log {

enum class Level { trace, debug, info, warn, error, off };

// First in a process that is no driver, before it has threads: names it in its messages. role: lives as long as the
// process ("node").
void name_process(const char* role);
// "trace" and so on; empty: no level has this name.
std::optional<Level> level_named(std::string_view name);
// The least level that is written.
void set_least(Level level);

namespace detail {

inline std::atomic<Level> least{Level::warn};

void write(Level level, std::string_view text);

inline void add(std::string& line, std::string_view text) { line += text; }
void add(std::string& line, double value);
template <std::integral T>
void add(std::string& line, T value) {
  line += std::to_string(value);
}
template <class Id>
requires requires(const Id& id) { id.value; }
void add(std::string& line, const Id& id) { line += std::to_string(id.value); }

template <class... Parts>
void log(Level level, const Parts&... parts) {
  if (level < least.load(std::memory_order_relaxed)) return;
  std::string line;
  (add(line, parts), ...);
  write(level, line);
}

}  // namespace detail

template <class... Parts>
void trace(const Parts&... parts) {
  detail::log(Level::trace, parts...);
}
template <class... Parts>
void debug(const Parts&... parts) {
  detail::log(Level::debug, parts...);
}
template <class... Parts>
void info(const Parts&... parts) {
  detail::log(Level::info, parts...);
}
template <class... Parts>
void warn(const Parts&... parts) {
  detail::log(Level::warn, parts...);
}
template <class... Parts>
void error(const Parts&... parts) {
  detail::log(Level::error, parts...);
}

}  // namespace manta::log
