#include "core/base/log.h"

#include <unistd.h>

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
const char* role = "driver";

std::optional<Level> level_named(std::string_view name) {
  if (name.empty()) return Level::warn;
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Level>(i);
  }
  return std::nullopt;
}

std::string_view wanted() {
  const char* text = std::getenv("MANTA_LOG");
  return text == nullptr ? "" : text;
}

// Made when there is something to say; never destroyed: threads log until the process ends.
spdlog::logger& logger() {
  static spdlog::logger* const made = [] {
    auto* created = new spdlog::logger("manta", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    created->set_pattern("[manta %H:%M:%S.%e %v");
    return created;
  }();
  return *made;
}

}  // namespace

namespace detail {

void add(std::string& line, double value) { line += fmt::format("{:g}", value); }

void write(Level level, std::string_view text) {
  // `least` has decided; spdlog's own level is left at info.
  logger().info("{} {} {}] {}", role, ::getpid(), kNames[static_cast<std::size_t>(level)], text);
}

}  // namespace detail

void name_process(const char* name) {
  role = name;
  detail::least = level_named(wanted()).value_or(Level::warn);
}

void read_level() {
  const auto level = level_named(wanted());
  if (!level) {
    throw Error(ErrorCode::invalid_argument,
                "MANTA_LOG is \"" + std::string(wanted()) + "\", but must be trace, debug, info, warn, error or off");
  }
  detail::least = *level;
}

}  // namespace manta::log
