#include "core/client/output_source.h"

#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/net/output_mark.h"

namespace manta::client {

namespace {

ino_t pipe_at(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode) ? status.st_ino : 0;
}

}  // namespace

void OutputSource::start(net::ClientSlot& slot) {
  slot_ = own_slot_ = &slot;
  pipes_ = {pipe_at(1), pipe_at(2)};
}

// MARK-1. Two system calls where nothing was printed: only when a worker goes from one function to another.
void OutputSource::change(std::uint64_t function) {
  const auto mark = net::OutputMark::encode(function_);
  for (int fd = 1; fd <= 2; ++fd) {
    const ino_t pipe = pipes_[static_cast<std::size_t>(fd) - 1];
    int waiting = 0;
    if (pipe == 0 || ::ioctl(fd, FIONREAD, &waiting) != 0 || waiting == 0 || pipe_at(fd) != pipe) continue;
    (void)!::write(fd, mark.data(), mark.size());
  }
  function_ = function;
  slot_->function.store(function, std::memory_order_release);
}

}  // namespace manta::client
