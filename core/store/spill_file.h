// Where objects lie that the store has no space for: an unlinked file of one process.
//
//   SPILL-1  it has no name, so nothing stays behind the process' end, whatever that is
//   SPILL-2  extents never overlap; what is freed is used again, and goes back to the file system
//   SPILL-3  a write that fails (disk full, a limit) changes nothing
//
// Threading: none of its own (the owner's lock). Ownership: the file ends with the object.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>

#include <manta/error.h>

#include "core/base/fd.h"
#include "core/owner/value.h"

namespace manta::store {

class SpillFile {
 public:
  // In that directory. unavailable, with the directory and the kernel's reason.
  [[nodiscard]] static Result<std::unique_ptr<SpillFile>> open(const std::string& directory);

  // exhausted, with the directory and the kernel's reason.
  [[nodiscard]] Result<owner::SpilledExtent> write(std::span<const std::byte> bytes);
  // to: extent.size_bytes bytes.
  [[nodiscard]] Result<void> read(const owner::SpilledExtent& extent, std::byte* to) const;
  void free(const owner::SpilledExtent& extent);

  std::uint64_t used_bytes() const { return used_bytes_; }
  int fd() const { return fd_.get(); }

 private:
  SpillFile(Fd fd, std::string directory) : fd_(std::move(fd)), directory_(std::move(directory)) {}
  std::uint64_t take(std::uint64_t bytes);
  void give_back(std::uint64_t offset, std::uint64_t bytes);

  Fd fd_;
  std::string directory_;
  std::map<std::uint64_t, std::uint64_t> free_;  // offset: bytes; whole pages, neighbours merged, none at the end
  std::uint64_t end_ = 0;
  std::uint64_t used_bytes_ = 0;  // in whole pages
};

}  // namespace manta::store
