// What the tuner's loop sleeps on: results wake it, and signals.
#pragma once

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <system_error>

namespace manta::tune::detail {

// Threading: notify by any thread and by signal handlers, wait by one. Ownership: of its descriptor.
class Waker {
 public:
  Waker() : descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (descriptor_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  }
  ~Waker() { ::close(descriptor_); }
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;

  int descriptor() const { return descriptor_; }
  void notify() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(descriptor_, &one, sizeof one);
  }
  // Returns early where there has been a notify() since the last time.
  void wait(std::chrono::milliseconds timeout) const {
    pollfd waited{descriptor_, POLLIN, 0};
    (void)::poll(&waited, 1, static_cast<int>(timeout.count()));
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = ::read(descriptor_, &count, sizeof count);
  }

 private:
  int descriptor_;
};

}  // namespace manta::tune::detail
