// The flat table of entries: slabs that never move, a free list, and an index by id of those that others may name.
//
// Threading: none of its own (the owner's lock). Ownership: owns the entries' memory.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "core/owner/entry.h"

namespace manta::owner {

class EntryTable {
 public:
  // Fresh, refs 0, phase unused.
  Entry& allocate() {
    if (free_ == nullptr) add_slab();
    Entry& entry = *free_;
    free_ = entry.next;
    entry.next = nullptr;
    ++live_;
    return entry;
  }
  void free(Entry& entry);
  // An object of this process (no owner), or one borrowed from `owner`. The same id may be known of several owners: a
  // task that was repeated elsewhere names its children alike.
  Entry* find(const ObjectId& id, ClientId owner = {}) const;
  // False: another entry has this id and owner.
  bool index(Entry& entry);
  // Not findable any more.
  void forget(Entry& entry);
  std::size_t live() const { return live_; }
  // In order of allocation addresses within slabs, slabs by age: deterministic.
  template <class F>
  void for_each(F f) const {
    for (const auto& slab : slabs_) {
      for (std::size_t i = 0; i < kSlabEntries; ++i) {
        if (slab[i].phase != Phase::unused) f(slab[i]);
      }
    }
  }

 private:
  void add_slab();

  static constexpr std::size_t kSlabEntries = 512;
  std::vector<std::unique_ptr<Entry[]>> slabs_;
  Entry* free_ = nullptr;
  std::size_t live_ = 0;
  struct Key {
    ObjectId id;
    ClientId owner;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const noexcept { return key.id.low ^ detail::mix64(key.owner.value); }
  };
  static Key key_of(const Entry& entry) { return {entry.id, entry.owned ? ClientId{} : entry.owner}; }

  boost::unordered_flat_map<Key, Entry*, KeyHash> by_id_;  // looked up, never walked
};

}  // namespace manta::owner
