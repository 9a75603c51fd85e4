// What a ReadyQueue watches: which entries, and which of them are resolved. See manta/ready_queue.h.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "core/owner/owner.h"

namespace manta::client {

// Threading: with the owner's mutex. Ownership: one reference of each entry.
class ReadyList {
 public:
  explicit ReadyList(std::function<void()> wake) : wake_(std::move(wake)) {}

  // The place of an entry that is watched from now on.
  std::size_t add(owner::Entry& entry, std::uint64_t token);
  void resolved(std::size_t place);
  // Moves what is ready to the end of the two; the entries' references pass to the caller.
  void take(std::vector<std::uint64_t>& tokens, std::vector<owner::Entry*>& entries);
  bool arm() { return armed_ = ready_.empty(); }
  // All that are watched still, and those that are ready; their references pass to the caller.
  std::vector<owner::Entry*> clear();

 private:
  struct Watched {
    owner::Entry* entry = nullptr;
    std::uint64_t token = 0;
  };
  std::function<void()> wake_;
  bool armed_ = false;
  std::vector<Watched> watched_;
  std::vector<std::size_t> free_;
  std::vector<std::size_t> ready_;
};

}  // namespace manta::client
