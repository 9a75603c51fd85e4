#include <manta/report/progress.h>

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace manta::report {
namespace {

constexpr auto kRewrite = std::chrono::milliseconds(100);
constexpr auto kNewLine = std::chrono::seconds(5);
constexpr double kSmooth = 0.95;

template <class... T>
std::string format(const char* pattern, T... values) {
  char text[128];
  const int length = std::snprintf(text, sizeof text, pattern, values...);
  return {text, static_cast<std::size_t>(std::clamp(length, 0, static_cast<int>(sizeof text) - 1))};
}

bool is_loss(std::string_view name) { return name.ends_with("loss"); }

// "14 s", "3 min 20 s", "2 h 5 min"
std::string duration(double seconds) {
  const auto whole = static_cast<long>(std::min(std::round(seconds), 1e15));
  if (whole < 100) return format("%3ld s", whole);
  if (whole < 3600) return format("%ld min %ld s", whole / 60, whole % 60);
  return format("%ld h %ld min", whole / 3600, whole / 60 % 60);
}

// "step  120/469"; without a known end "step 120"
std::string counted(const char* name, double value, std::int64_t end) {
  const auto width = static_cast<int>(std::to_string(end).size());
  return end > 0 ? format("%s %*.0f/%ld", name, width, value, static_cast<long>(end)) : format("%s %.0f", name, value);
}

std::string shown(const std::string& name, double value) {
  if (is_loss(name)) return name + format(" %.4f", value);
  if (name.ends_with("accuracy")) return name + format(" %.2f %%", 100 * value);
  return name + format(" %.4g", value);
}

// First losses, then accuracies, then the others.
int place(std::string_view name) { return is_loss(name) ? 0 : name.ends_with("accuracy") ? 1 : 2; }

// Characters that fit in a line of the terminal; 0 where that is not known.
std::size_t columns(std::FILE* out) {
  winsize size{};
  return ioctl(fileno(out), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

}  // namespace

ProgressLine::ProgressLine(ProgressOptions options, Clock::time_point (*now)())
    : options_(std::move(options)), now_(now), terminal_(isatty(fileno(options_.out)) == 1), start_(now()) {}

ProgressLine::~ProgressLine() {
  if (shown_ > 0) std::fputc('\n', options_.out);
}

void ProgressLine::show(std::int64_t samples, const Metrics& metrics) {
  for (const auto& [name, value] : metrics) {
    const auto [at, first] = metrics_.try_emplace(name, value);
    if (first || !std::isfinite(at->second)) {
      at->second = value;
    } else {
      at->second = is_loss(name) ? kSmooth * at->second + (1 - kSmooth) * value : value;
    }
  }
  const auto step = metrics.find("step");
  const bool last = options_.steps > 0 && step != metrics.end() && step->second == static_cast<double>(options_.steps);
  const Clock::time_point now = now_();
  if (!last && now < next_) return;
  next_ = now + (terminal_ ? Clock::duration(kRewrite) : Clock::duration(kNewLine));
  std::string line = text(samples);
  if (!terminal_) {
    std::fprintf(options_.out, "%s\n", line.c_str());
  } else {
    const std::size_t width = columns(options_.out);
    if (width > 1 && line.size() >= width) line.resize(width - 1);  // a line that breaks cannot be rewritten
    const std::size_t rest = shown_ > line.size() ? shown_ - line.size() : 0;
    std::fprintf(options_.out, "\r%s%*s%s", line.c_str(), static_cast<int>(rest), "", last ? "\n" : "");
    shown_ = last ? 0 : line.size();
  }
  std::fflush(options_.out);
}

std::string ProgressLine::text(std::int64_t samples) const {
  std::string line;
  const auto add = [&line](const std::string& part) { line += (line.empty() ? "" : "  ") + part; };
  const auto epoch = metrics_.find("epoch");
  const auto step = metrics_.find("step");
  if (epoch != metrics_.end()) add(counted("epoch", epoch->second, options_.epochs));
  if (step != metrics_.end()) add(counted("step", step->second, options_.steps));
  for (int wanted = 0; wanted < 3; ++wanted) {
    for (const auto& [name, value] : metrics_) {
      if (name == "epoch" || name == "step" || name == "samples" || place(name) != wanted) continue;
      add(shown(name, value));
    }
  }
  const double seconds = std::chrono::duration<double>(now_() - start_).count();
  const double rate = seconds > 0 ? static_cast<double>(samples) / seconds : 0;
  add(format("%6.0f ", rate) + options_.unit + "/s");
  if (options_.samples > 0 && rate > 0) {
    const std::int64_t left = std::max<std::int64_t>(options_.samples - already_done_ - samples, 0);
    add(duration(static_cast<double>(left) / rate) + " left");
  }
  return line;
}

void ProgressLine::print(std::string_view text) {
  const std::size_t rest = shown_ > text.size() ? shown_ - text.size() : 0;
  std::fprintf(options_.out, "%s%.*s%*s\n", shown_ > 0 ? "\r" : "", static_cast<int>(text.size()), text.data(),
               static_cast<int>(rest), "");
  std::fflush(options_.out);
  shown_ = 0;
}

}  // namespace manta::report
