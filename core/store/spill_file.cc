#include "core/store/spill_file.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace manta::store {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kLargestCall = 1 << 30;  // the kernel's own bound is a little below 2 GiB

std::uint64_t in_pages(std::uint64_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

std::string reason(int error) { return std::generic_category().message(error); }

// A write beyond RLIMIT_FSIZE is an error of write here, not the end of the process.
class WithoutSizeSignal {
 public:
  WithoutSizeSignal() {
    ::sigemptyset(&size_);
    ::sigaddset(&size_, SIGXFSZ);
    ::pthread_sigmask(SIG_BLOCK, &size_, &before_);
  }
  ~WithoutSizeSignal() {
    const timespec now = {};
    if (::sigismember(&before_, SIGXFSZ) == 0) {
      while (::sigtimedwait(&size_, nullptr, &now) == SIGXFSZ) {
      }
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  WithoutSizeSignal(const WithoutSizeSignal&) = delete;
  WithoutSizeSignal& operator=(const WithoutSizeSignal&) = delete;

 private:
  sigset_t size_;
  sigset_t before_;
};

}  // namespace

Result<std::unique_ptr<SpillFile>> SpillFile::open(const std::string& directory) {
  Fd fd(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {  // a file system without nameless files
    std::string name = directory + "/manta-spill-XXXXXX";
    fd = Fd(::mkostemp(name.data(), O_CLOEXEC));
    if (fd) ::unlink(name.c_str());
  }
  if (!fd) {
    return fail(ErrorCode::unavailable, "no file for spilled objects can be made in " + directory + ": " +
                                            reason(errno) +
                                            "; choose another directory with InitOptions::spill_directory or "
                                            "MANTA_SPILL_DIR");
  }
  return std::unique_ptr<SpillFile>(new SpillFile(std::move(fd), directory));
}

std::uint64_t SpillFile::take(std::uint64_t bytes) {
  const auto fit = std::find_if(free_.begin(), free_.end(), [&](const auto& run) { return run.second >= bytes; });
  if (fit == free_.end()) {
    end_ += bytes;
    return end_ - bytes;
  }
  const auto [offset, run_bytes] = *fit;
  free_.erase(fit);
  if (run_bytes > bytes) free_.emplace(offset + bytes, run_bytes - bytes);
  return offset;
}

void SpillFile::give_back(std::uint64_t offset, std::uint64_t bytes) {
  (void)::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                    static_cast<off_t>(bytes));
  auto next = free_.lower_bound(offset);
  if (next != free_.end() && offset + bytes == next->first) {
    bytes += next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin()) {
    const auto previous = std::prev(next);
    if (previous->first + previous->second == offset) {
      offset = previous->first;
      bytes += previous->second;
      free_.erase(previous);
    }
  }
  if (offset + bytes < end_) {
    free_.emplace(offset, bytes);
  } else {
    end_ = offset;
    (void)!::ftruncate(fd_.get(), static_cast<off_t>(end_));  // also where holes are not supported
  }
}

Result<owner::SpilledExtent> SpillFile::write(std::span<const std::byte> bytes) {
  const WithoutSizeSignal guard;
  const std::uint64_t offset = take(in_pages(bytes.size()));
  for (std::uint64_t done = 0; done < bytes.size();) {
    const std::uint64_t count = std::min<std::uint64_t>(kLargestCall, bytes.size() - done);
    const ssize_t written = ::pwrite(fd_.get(), bytes.data() + done, count, static_cast<off_t>(offset + done));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const int error = written < 0 ? errno : ENOSPC;
      give_back(offset, in_pages(bytes.size()));
      return fail(ErrorCode::exhausted, "objects cannot be spilled to " + directory_ + ": " + reason(error) +
                                            "; choose another directory with InitOptions::spill_directory or "
                                            "MANTA_SPILL_DIR");
    }
    done += static_cast<std::uint64_t>(written);
  }
  used_bytes_ += in_pages(bytes.size());
  return owner::SpilledExtent{offset, bytes.size()};
}

Result<void> SpillFile::read(const owner::SpilledExtent& extent, std::byte* to) const {
  for (std::uint64_t done = 0; done < extent.size_bytes;) {
    const std::uint64_t count = std::min<std::uint64_t>(kLargestCall, extent.size_bytes - done);
    const ssize_t got = ::pread(fd_.get(), to + done, count, static_cast<off_t>(extent.offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      return fail(ErrorCode::object_lost, "an object that was spilled to " + directory_ + " cannot be read back: " +
                                              (got < 0 ? reason(errno) : "its file ends too early"));
    }
    done += static_cast<std::uint64_t>(got);
  }
  return {};
}

void SpillFile::free(const owner::SpilledExtent& extent) {
  used_bytes_ -= in_pages(extent.size_bytes);
  give_back(extent.offset, in_pages(extent.size_bytes));
}

}  // namespace manta::store
