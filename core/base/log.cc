#include "core/base/log.h"

#include <array>
#include <cstdlib>
#include <memory>
#include <optional>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <manta/error.h>

namespace manta::log {

namespace {

constexpr std::array<std::string_view, 6> kNames{"trace", "debug", "info", "warn", "error", "off"};
constexpr auto kDefault = Level::warn;

std::optional<Level> level_named(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Level>(i);
  }
  return std::nullopt;
}

std::string_view wanted() {
  const char* text = std::getenv("MANTA_LOG");
  return text == nullptr ? "" : text;
}

spdlog::level::level_enum spdlog_level(Level level) {
  static_assert(static_cast<int>(Level::trace) == SPDLOG_LEVEL_TRACE && static_cast<int>(Level::error) == SPDLOG_LEVEL_ERROR);
  return static_cast<spdlog::level::level_enum>(level);
}

std::string pattern(std::string_view role) { return "[manta %H:%M:%S.%e " + std::string(role) + " %P %v"; }

// Never destroyed: threads log until the process ends.
spdlog::logger& logger() {
  static spdlog::logger* const made = [] {
    auto* created = new spdlog::logger("manta", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    created->set_level(spdlog::level::trace);  // `least` decides
    created->set_pattern(pattern("driver"));
    return created;
  }();
  return *made;
}

int least_level() {
  int level = detail::least.load(std::memory_order_relaxed);
  if (level != detail::kUnread) return level;
  level = static_cast<int>(level_named(wanted()).value_or(kDefault));
  detail::least.store(level, std::memory_order_relaxed);
  return level;
}

}  // namespace

namespace detail {

void add(std::string& line, double value) { line += fmt::format("{:g}", value); }

void write(Level level, std::string_view text) {
  if (!on(level)) return;
  const std::string_view name = kNames[static_cast<std::size_t>(level)];
  logger().log(spdlog_level(level), "{}] {}", fmt::string_view(name.data(), name.size()),
               fmt::string_view(text.data(), text.size()));
}

}  // namespace detail

bool on(Level level) { return level != Level::off && static_cast<int>(level) >= least_level(); }

void name_process(std::string_view role) {
  logger().set_pattern(pattern(role));
  detail::least = detail::kUnread;
}

void read_level() {
  detail::least = detail::kUnread;
  if (wanted().empty() || level_named(wanted())) return;
  throw Error(ErrorCode::invalid_argument, "MANTA_LOG is \"" + std::string(wanted()) +
                                               "\", but must be trace, debug, info, warn, error or off");
}

}  // namespace manta::log
