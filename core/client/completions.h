// What as_completed, and a wait for some of many, keep while they wait.
#pragma once

#include <atomic>
#include <cstddef>
#include <vector>

#include "core/owner/entry.h"

namespace manta::client {

// Threading: with the owner's mutex, but for count. Ownership: one reference of each entry.
class Completions {
 public:
  void add(std::size_t index) {
    ready.push_back(index);
    count.store(ready.size(), std::memory_order_release);
  }

  std::vector<std::size_t> ready;     // indices, in order of completion
  std::atomic<std::size_t> count{0};  // of them; the thread that waits reads it without the mutex
  std::size_t taken = 0;              // by that thread
  std::vector<owner::Entry*> entries;
};

}  // namespace manta::client
