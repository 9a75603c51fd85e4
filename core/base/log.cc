#include "core/base/log.h"

#include <unistd.h>

#include <array>
#include <memory>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace manta::log {

namespace {

constexpr std::array<std::string_view, 6> kNames{"trace", "debug", "info", "warn", "error", "off"};
const char* role = "driver";

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

void name_process(const char* name) { role = name; }

std::optional<Level> level_named(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Level>(i);
  }
  return std::nullopt;
}

void set_least(Level level) { detail::least = level; }

}  // namespace manta::log
