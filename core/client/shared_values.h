// Objects that were decoded from stored values, for all tasks of the process that take them by const reference.
//
//   SHARE-1  all users of an object and type that overlap in time share one, and so do those that follow within kUnused
//   SHARE-2  what nothing has used for kUnused is dropped, and so is the oldest beyond kMost objects or kMostBytes
//
// Threading: any thread. Ownership: shares the objects with their users; holds no Ref and no block of the store.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

#include <manta/ids.h>

#include "core/base/mutex.h"

namespace manta::client {

class SharedValues {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kUnused{2};
  static constexpr std::size_t kMost = 64;
  static constexpr std::size_t kMostBytes = std::size_t{1} << 30;  // of encodings; one larger object is kept too

  std::shared_ptr<const void> find(const ObjectId& object, const void* type, Time now);
  // Returns the one to use: what was kept before, or value.
  std::shared_ptr<const void> keep(const ObjectId& object, const void* type, std::shared_ptr<const void> value,
                                   std::size_t size_bytes, Time now);
  // Drops what was not used for too long. Returns when to call it again; max(): not before the next keep().
  Time expire(Time now);

 private:
  struct Kept {
    ObjectId object;
    const void* type;
    std::shared_ptr<const void> value;
    std::size_t size_bytes;
    Time used;
  };
  Kept* look_up(const ObjectId& object, const void* type) MANTA_REQUIRES(mutex_);

  Mutex mutex_;
  std::vector<Kept> kept_ MANTA_GUARDED_BY(mutex_);  // the one that was used last is the last
};

}  // namespace manta::client
