#include "tune/tuner/signals.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>

namespace manta::tune::detail {

namespace {

// Handlers have no other way to get at anything. Of nested studies the outermost one has them.
std::atomic<int> owners{0};
std::atomic<int> wanted_descriptor{-1};
std::atomic<int> came{0};
static_assert(std::atomic<int>::is_always_lock_free);

void on_signal(int signal) {
  const int error = errno;
  if (came.exchange(signal) != 0) {
    struct sigaction by_default {};
    by_default.sa_handler = SIG_DFL;
    ::sigaction(signal, &by_default, nullptr);
    ::raise(signal);  // delivered when this handler returns
  }
  const std::uint64_t one = 1;
  const int descriptor = wanted_descriptor;
  if (descriptor >= 0) [[maybe_unused]]
    const ssize_t written = ::write(descriptor, &one, sizeof one);
  errno = error;
}

}  // namespace

Signals::Signals(int descriptor) {
  if (owners.fetch_add(1) > 0) return;
  came = 0;
  wanted_descriptor = descriptor;
  for (const int signal : {SIGINT, SIGTERM}) {
    struct sigaction before {};
    ::sigaction(signal, nullptr, &before);
    if (before.sa_handler == SIG_IGN) continue;
    struct sigaction ours {};
    ours.sa_handler = &on_signal;
    ours.sa_flags = SA_RESTART;
    ::sigaction(signal, &ours, nullptr);
    before_.emplace_back(signal, before);
  }
}

Signals::~Signals() {
  for (const auto& [signal, before] : before_) ::sigaction(signal, &before, nullptr);
  if (owners.fetch_sub(1) == 1) wanted_descriptor = -1;
}

int Signals::received() const { return came; }

}  // namespace manta::tune::detail
