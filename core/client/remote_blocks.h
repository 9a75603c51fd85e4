// Copies of stored values that lie on other nodes.
//
//   BLOCKS-1  a block is brought here once for all threads that read it meanwhile, and kept until forget()
//   BLOCKS-2  where a location turns out to be lost is one place: the error that get() returns
//   BLOCKS-3  a place is used again after its object was freed: a copy is kept only while an entry of this process,
//             which holds the object, says that its value lies there
//
// Threading: any thread; get() blocks. Ownership: copies live with their readers, and until they are forgotten.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include <manta/error.h>

#include "core/base/fd.h"
#include "core/base/mutex.h"
#include "core/owner/value.h"

namespace manta::client {

// A block's bytes here. Readers may write to them in place, which harms only this process.
struct BlockCopy {
  std::byte* data = nullptr;
  std::uint64_t size_bytes = 0;
  ~BlockCopy();
};

class RemoteBlocks {
 public:
  // request: asks the node for a block; answered by arrived().
  explicit RemoteBlocks(std::function<void(std::uint64_t id, const owner::StoredLocation&)> request)
      : request_(std::move(request)) {}

  // object_lost: its node is gone, or knows it no more.
  [[nodiscard]] Result<std::shared_ptr<const BlockCopy>> get(const owner::StoredLocation& location);
  // Asks for it, and does not wait: a later get() finds it here or under way. Only while an entry has its value there.
  void ask(const owner::StoredLocation& location);
  void arrived(std::uint64_t id, const std::string& why, Fd memory);
  void forget(const owner::StoredLocation& location);
  void close();

 private:
  struct Block {
    std::uint64_t id = 0;
    std::uint32_t readers = 0;  // that wait
    bool ahead = false;         // asked for before there is a reader
    bool forgotten = false;
    std::optional<Result<std::shared_ptr<const BlockCopy>>> copy;
  };

  std::function<void(std::uint64_t, const owner::StoredLocation&)> request_;
  Mutex mutex_;
  CondVar arrived_;
  std::uint64_t next_ MANTA_GUARDED_BY(mutex_) = 1;
  std::map<owner::StoredLocation, Block> blocks_ MANTA_GUARDED_BY(mutex_);
  std::map<std::uint64_t, owner::StoredLocation> by_id_ MANTA_GUARDED_BY(mutex_);  // asked for
  bool closed_ MANTA_GUARDED_BY(mutex_) = false;
};

}  // namespace manta::client
