// Processes of a test that are not its children.
#pragma once

#include <poll.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

namespace manta::support {

// Blocks until the process has ended; false: not within the limit.
inline bool await_exit(pid_t process, std::chrono::milliseconds limit = std::chrono::seconds(60)) {
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, process, 0));
  if (fd < 0) return errno == ESRCH;
  pollfd ended{fd, POLLIN, 0};
  const int ready = ::poll(&ended, 1, static_cast<int>(limit.count()));
  ::close(fd);
  return ready == 1;
}

}  // namespace manta::support
