#include "tune/tuner/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

namespace manta::tune::detail {

namespace {

constexpr auto kRewrite = std::chrono::milliseconds(100);
constexpr auto kNewLine = std::chrono::seconds(5);

}  // namespace

Progress::Progress(std::FILE* out, bool verbose, Clock::time_point now)
    : out_(out),
      verbose_(verbose),
      terminal_(isatty(fileno(out)) == 1),
      next_(now + (terminal_ ? kRewrite : kNewLine)) {}

void Progress::clear() {
  if (shown_ > 0) std::fprintf(out_, "\x1b[%zuA\x1b[J", shown_);  // up, and nothing below
  shown_ = 0;
}

void Progress::show(const std::vector<std::string>& lines, Clock::time_point now) {
  next_ = now + (terminal_ ? std::chrono::milliseconds(kRewrite) : std::chrono::milliseconds(kNewLine));
  if (!verbose_ || lines.empty()) return;
  if (!terminal_) {
    std::fprintf(out_, "%s\n", lines.front().c_str());
  } else {
    clear();
    winsize size{};
    const bool known = ioctl(fileno(out_), TIOCGWINSZ, &size) == 0 && size.ws_col > 1 && size.ws_row > 2;
    const std::size_t width = known ? size.ws_col - 1u : 79;  // a line that breaks cannot be rewritten
    const std::size_t height = known ? size.ws_row - 2u : 20;
    for (; shown_ < std::min(lines.size(), height); ++shown_) {
      std::fprintf(out_, "%.*s\n", static_cast<int>(std::min(lines[shown_].size(), width)), lines[shown_].c_str());
    }
  }
  std::fflush(out_);
}

void Progress::finish(const std::string& text) {
  if (!verbose_) return;
  if (terminal_) clear();
  std::fprintf(out_, "%s", text.c_str());
  std::fflush(out_);
}

}  // namespace manta::tune::detail
