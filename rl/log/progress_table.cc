#include "rl/log/progress_table.h"

#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace manta::rl::detail {
namespace {

constexpr auto kRewrite = std::chrono::milliseconds(100);
constexpr auto kNewLine = std::chrono::seconds(5);

std::string number(double value) {
  char text[32];
  const bool whole = value == static_cast<double>(static_cast<std::int64_t>(value)) && value > -1e15 && value < 1e15;
  std::snprintf(text, sizeof text, whole ? "%.0f" : "%.3g", value);
  return text;
}

// Three digits would hide how a return of 487.31 differs from one of 489.
std::string shown(const std::string& name, double value) {
  if (!name.starts_with("rollout/ep_") || value != value) return number(value);
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

double value_of(const report::Metrics& metrics, const char* name) {
  const auto found = metrics.find(name);
  return found == metrics.end() ? 0 : found->second;
}

}  // namespace

ProgressTable::ProgressTable(std::int64_t total_steps, std::FILE* out, Clock::time_point (*now)())
    : total_steps_(total_steps), out_(out), now_(now), terminal_(isatty(fileno(out)) == 1) {}

void ProgressTable::show(const report::Metrics& metrics, bool last) {
  const Clock::time_point now = now_();
  if (!last && now < next_) return;
  next_ = now + (terminal_ ? Clock::duration(kRewrite) : Clock::duration(kNewLine));
  if (!terminal_) {
    std::fprintf(out_, "%s\n", line(metrics).c_str());
  } else {
    if (lines_ > 0) std::fprintf(out_, "\033[%dA", lines_);
    const std::string text = table(metrics);
    lines_ = static_cast<int>(std::count(text.begin(), text.end(), '\n'));
    std::fprintf(out_, "%s\033[J", text.c_str());
  }
  std::fflush(out_);
}

std::string ProgressTable::table(const report::Metrics& metrics) const {
  std::vector<std::pair<std::string, std::string>> rows;
  std::size_t names = 0, values = 0;
  std::string group;
  for (const auto& [name, value] : metrics) {
    const std::size_t slash = name.find('/');
    const std::string in = name.substr(0, slash == std::string::npos ? 0 : slash + 1);
    if (in != "rollout/" && in != "time/" && in != "train/") continue;
    if (in != group) rows.emplace_back(group = in, "");
    rows.emplace_back("   " + name.substr(in.size()), shown(name, value));
  }
  for (const auto& [name, value] : rows) {
    names = std::max(names, name.size());
    values = std::max(values, value.size());
  }
  const std::string rule(names + values + 7, '-');
  std::string text = rule + '\n';
  for (auto& [name, value] : rows) {
    name.resize(names, ' ');
    value.resize(values, ' ');
    text += "| " + name + " | " + value + " |\n";
  }
  return text + rule + '\n';
}

std::string ProgressTable::line(const report::Metrics& metrics) const {
  char text[160];
  std::snprintf(text, sizeof text, "%.0f/%lld steps  ep_rew_mean %.2f  ep_len_mean %.2f  %.0f steps/s",
                value_of(metrics, "time/total_timesteps"), static_cast<long long>(total_steps_),
                value_of(metrics, "rollout/ep_rew_mean"), value_of(metrics, "rollout/ep_len_mean"),
                value_of(metrics, "time/fps"));
  return text;
}

}  // namespace manta::rl::detail
