// Anonymous memory that processes share by passing its descriptor (a memfd).
//
// Its size is fixed by seals, because a peer that shrank it would end the other processes by SIGBUS. Kernels
// and sandboxes without seals are accepted silently; is_size_sealed() tells.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <manta/error.h>

#include "core/base/fd.h"

namespace manta::net {

// Zeros, sparse, close-on-exec; the size is sealed. name: for people, seen in /proc/PID/maps.
[[nodiscard]] Result<Fd> create_shared_memory(const char* name, std::uint64_t size_bytes);

// Seals the size of memory that another process made, then reads it. invalid_argument: it can still shrink.
[[nodiscard]] Result<std::uint64_t> fixed_size_of(int fd);
bool is_size_sealed(int fd);

// A second descriptor of the memory, from which no writable shared mapping can be made. unavailable: no /proc here.
//
// Not F_SEAL_FUTURE_WRITE: that seal also forbids the creator to give freed pages back (fallocate and MADV_REMOVE fail
// with EPERM).
[[nodiscard]] Result<Fd> reopen_read_only(int fd);

enum class Mapping : std::uint8_t {
  shared,        // reads and writes what all see
  private_copy,  // reads what all see; a write copies the page for this process alone
};
// Maps the first size_bytes, without reserving memory for them; large ones at a multiple of 2 MiB, so that huge pages
// of the memory are huge in the mapping too.
[[nodiscard]] Result<std::byte*> map_memory(int fd, std::uint64_t size_bytes, Mapping mapping);
void unmap_memory(void* base, std::uint64_t size_bytes) noexcept;

}  // namespace manta::net
