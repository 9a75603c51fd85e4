#include "core/observe/output_source.h"

#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "core/net/output_mark.h"

namespace manta::observe {

namespace {

// Some tenths of a nanosecond each: around 100 us, and 100 ms.
constexpr std::uint64_t kLookTicks = 1 << 18;
constexpr std::uint64_t kTalkTicks = 1 << 28;

std::uint64_t ticks() {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#else
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
}

ino_t pipe_at(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode) ? status.st_ino : 0;
}

}  // namespace

OutputSource::OutputSource(net::ClientSlot& slot) : slot_(&slot), own_slot_(&slot), pipes_{pipe_at(1), pipe_at(2)} {}

// In an actor's process, from its constructor on, several threads may run tasks; none changes anything (stay).
void OutputSource::on(const TaskBegins& task) {
  if (slot_ == nullptr) return;
  if (task.inside) below_.push_back(function_);
  if (task.kind == TaskKind::method) return;
  runs(task.function.id, task.function.given);
  if (task.kind == TaskKind::constructor) stay(true);
}

void OutputSource::on(const TaskEnds& task) {
  if (task.kind == TaskKind::constructor && !task.constructed) stay(false);
  if (slot_ == nullptr || !task.inside) return;
  runs(detail::FunctionId{below_.back()});
  below_.pop_back();
}

// MARK-1, as often as that header says.
void OutputSource::change(std::uint64_t function) {
  const std::uint64_t now = ticks();
  if (slot_->printed.load(std::memory_order_relaxed)) {
    slot_->printed.store(false, std::memory_order_relaxed);
    talks_until_ = now + kTalkTicks;
  }
  if (now >= next_look_ || now < talks_until_) {
    next_look_ = now + kLookTicks;
    mark(function);
  }
  function_ = function;
  slot_->function.store(function, std::memory_order_release);
}

// MARK-2.
detail::FunctionId OutputSource::named(const std::string& label) {
  const net::OutputLabel text = net::OutputLabel::of(label);
  if (std::find(named_.begin(), named_.end(), text.function) == named_.end()) {
    next_look_ = 0;  // what is in the pipes is of the function before: a mark says so
    named_.push_back(text.function);
    if (named_.size() > net::OutputLabel::kMostKnown) named_.pop_front();
    const auto bytes = text.encode();
    for (int fd = 1; fd <= 2; ++fd) {
      const ino_t pipe = pipes_[static_cast<std::size_t>(fd) - 1];
      if (pipe != 0 && pipe_at(fd) == pipe) (void)!::write(fd, bytes.data(), bytes.size());
    }
  }
  return {text.function};
}

void OutputSource::mark(std::uint64_t next) {
  const auto mark = net::OutputMark{function_, next}.encode();
  for (int fd = 1; fd <= 2; ++fd) {
    const ino_t pipe = pipes_[static_cast<std::size_t>(fd) - 1];
    int waiting = 0;
    if (pipe == 0 || ::ioctl(fd, FIONREAD, &waiting) != 0 || waiting == 0 || pipe_at(fd) != pipe) continue;
    (void)!::write(fd, mark.data(), mark.size());
    talks_until_ = next_look_ - kLookTicks + kTalkTicks;
  }
}

}  // namespace manta::observe
