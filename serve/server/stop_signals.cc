#include "serve/server/stop_signals.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <utility>
#include <vector>

#include <manta/detail/mutex.h>
#include <manta/error.h>

namespace manta::serve {

namespace {

// What the handler uses: lock-free atomics alone.
std::atomic<int> stopped_by{0};
std::atomic<bool> another_came{false};
std::atomic<int> another_signal{0};
std::atomic<int> event{-1};

manta::detail::Mutex mutex;
int users MANTA_GUARDED_BY(mutex) = 0;
std::vector<std::pair<int, struct sigaction>> before MANTA_GUARDED_BY(mutex);

void write_to(int which) {
  const std::uint64_t one = 1;
  (void)!::write(which, &one, sizeof one);
}

void on_signal(int signal) {
  const int saved = errno;
  int none = 0;
  if (signal == another_signal) {
    another_came = true;
  } else if (!stopped_by.compare_exchange_strong(none, signal)) {
    ::signal(signal, SIG_DFL);
    ::raise(signal);  // delivered when this returns
  }
  write_to(event);
  errno = saved;
}

int make_event() {
  const int made = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (made < 0) throw Error(ErrorCode::exhausted, "no descriptor is left to wait for signals. Next: raise ulimit -n");
  return made;
}

void take(int signal) MANTA_REQUIRES(mutex) {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  struct sigaction old {};
  if (::sigaction(signal, &action, &old) == 0) before.emplace_back(signal, old);
}

}  // namespace

StopSignals::StopSignals(int another) : woken_(make_event()) {
  const manta::detail::MutexLock guard(mutex);
  if (users == 0) {
    stopped_by = 0;
    another_came = false;
    another_signal = 0;
    try {
      event = make_event();
    } catch (...) {
      ::close(woken_);
      throw;
    }
    take(SIGINT);
    take(SIGTERM);
  }
  ++users;
  if (another == 0 || another_signal != 0) return;
  another_signal = another;
  take(another);
}

StopSignals::~StopSignals() {
  const manta::detail::MutexLock guard(mutex);
  ::close(woken_);
  if (--users > 0) return;
  for (const auto& [signal, old] : before) ::sigaction(signal, &old, nullptr);
  before.clear();
  ::close(event.exchange(-1));
}

void StopSignals::wake() { write_to(woken_); }

int StopSignals::wait() {
  for (;;) {
    if (another_came.exchange(false)) return another_signal;
    if (const int signal = stopped_by; signal != 0) return signal;
    std::array<pollfd, 2> ready{{{event, POLLIN, 0}, {woken_, POLLIN, 0}}};
    if (::poll(ready.data(), ready.size(), -1) <= 0) continue;
    if (ready[1].revents != 0) return 0;
    std::uint64_t count = 0;
    (void)!::read(event, &count, sizeof count);
    if (stopped_by != 0) write_to(event);  // all that wait see it
  }
}

}  // namespace manta::serve
