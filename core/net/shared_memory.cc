#include "core/net/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "core/base/limits.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

namespace manta::net {
namespace {

constexpr std::uint64_t kPageBytes = 4096;
constexpr std::uint64_t kHugePageBytes = 2 << 20;
constexpr std::uint64_t kAlignedFromBytes = 8 * kHugePageBytes;
constexpr int kSizeSeals = F_SEAL_SHRINK | F_SEAL_GROW;

tl::unexpected<Error> fail_errno(int error, const std::string& what) {
  const bool limit = error == ENOMEM || error == EMFILE || error == ENFILE || error == ENOSPC || error == EFBIG;
  return fail(limit ? ErrorCode::exhausted : ErrorCode::unavailable,
              what + ": " + std::generic_category().message(error) + limit_advice(error));
}

std::string sized(const char* what, std::uint64_t size_bytes) {
  return std::string(what) + " of " + std::to_string(size_bytes) + " bytes";
}

// Memory that is shared counts as a file: beyond that limit ftruncate would end the process by a signal.
Result<void> check_file_limit(std::uint64_t size_bytes) {
  rlimit files = {};
  if (::getrlimit(RLIMIT_FSIZE, &files) != 0 || files.rlim_cur == RLIM_INFINITY || size_bytes <= files.rlim_cur)
    return {};
  return fail(ErrorCode::exhausted, sized("shared memory", size_bytes) + " is above the limit on the size of files, " +
                                        std::to_string(files.rlim_cur) +
                                        " bytes; raise it (ulimit -f), or ask for less: "
                                        "the object store's size is InitOptions::store_capacity_bytes");
}

}  // namespace

Result<Fd> create_shared_memory(const char* name, std::uint64_t size_bytes) {
  if (auto allowed = check_file_limit(size_bytes); !allowed) return tl::unexpected<Error>(allowed.error());
  Fd fd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL));
  if (!fd && errno == EINVAL) fd = Fd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));  // Linux before 6.3
  if (!fd && errno == EINVAL) fd = Fd(::memfd_create(name, MFD_CLOEXEC));
  if (!fd) return fail_errno(errno, "memfd_create " + std::string(name));
  if (::ftruncate(fd.get(), static_cast<off_t>(size_bytes)) != 0) {
    return fail_errno(errno, sized("shared memory", size_bytes));
  }
  (void)::fcntl(fd.get(), F_ADD_SEALS, kSizeSeals);
  return fd;
}

bool is_size_sealed(int fd) {
  const int seals = ::fcntl(fd, F_GET_SEALS);
  return seals >= 0 && (seals & F_SEAL_SHRINK) != 0;
}

Result<std::uint64_t> fixed_size_of(int fd) {
  if (!is_size_sealed(fd)) {
    (void)::fcntl(fd, F_ADD_SEALS, kSizeSeals);
    if (::fcntl(fd, F_GET_SEALS) >= 0 && !is_size_sealed(fd)) {
      return fail(ErrorCode::invalid_argument, "shared memory from a peer: its size is not sealed and cannot be");
    }
  }
  struct stat status {};
  if (::fstat(fd, &status) != 0) return fail_errno(errno, "shared memory from a peer");
  if (!S_ISREG(status.st_mode) || status.st_size <= 0) {
    return fail(ErrorCode::invalid_argument, "shared memory from a peer: not a memory file, or an empty one");
  }
  return static_cast<std::uint64_t>(status.st_size);
}

Result<Fd> reopen_read_only(int fd) {
  Fd copy(::open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_RDONLY | O_CLOEXEC));
  if (!copy) return fail_errno(errno, "read-only descriptor of shared memory");
  return copy;
}

Result<std::byte*> map_memory(int fd, std::uint64_t size_bytes, Mapping mapping) {
  const int sharing = mapping == Mapping::shared ? MAP_SHARED : MAP_PRIVATE;
  void* place = nullptr;
  int fixed = 0;
  if (size_bytes >= kAlignedFromBytes) {  // a range with space for the alignment, then only what is needed of it
    constexpr int kNothing = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void* range = ::mmap(nullptr, size_bytes + kHugePageBytes, PROT_NONE, kNothing, -1, 0);
    if (range != MAP_FAILED) {
      auto* begin = static_cast<std::byte*>(range);
      const std::uint64_t before = -reinterpret_cast<std::uint64_t>(begin) % kHugePageBytes;
      const std::uint64_t pages_end = (before + size_bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
      if (before > 0) ::munmap(begin, before);
      if (pages_end < size_bytes + kHugePageBytes) ::munmap(begin + pages_end, size_bytes + kHugePageBytes - pages_end);
      place = begin + before;
      fixed = MAP_FIXED;
    }
  }
  void* base = ::mmap(place, size_bytes, PROT_READ | PROT_WRITE, sharing | fixed | MAP_NORESERVE, fd, 0);
  if (base == MAP_FAILED) {
    const int error = errno;
    if (fixed != 0) ::munmap(place, size_bytes);
    return fail_errno(error, sized("mapping shared memory", size_bytes));
  }
  return static_cast<std::byte*>(base);
}

void unmap_memory(void* base, std::uint64_t size_bytes) noexcept {
  if (base != nullptr) ::munmap(base, size_bytes);
}

}  // namespace manta::net
