#include "core/owner/entry_table.h"

#include <new>

namespace manta::owner {

void EntryTable::add_slab() {
  slabs_.push_back(std::make_unique<Entry[]>(kSlabEntries));
  Entry* slab = slabs_.back().get();
  for (std::size_t i = kSlabEntries; i-- > 0;) {
    slab[i].next = free_;
    free_ = &slab[i];
  }
}

void EntryTable::free(Entry& entry) {
  forget(entry);
  entry.~Entry();
  new (&entry) Entry();
  entry.next = free_;
  free_ = &entry;
  --live_;
}

void EntryTable::forget(Entry& entry) {
  if (entry.indexed) by_id_.erase(key_of(entry));
  entry.indexed = false;
}

Entry* EntryTable::find(const ObjectId& id, ClientId owner) const {
  const auto it = by_id_.find({id, owner});
  return it == by_id_.end() ? nullptr : it->second;
}

bool EntryTable::index(Entry& entry) {
  if (!entry.indexed) entry.indexed = by_id_.emplace(key_of(entry), &entry).second;
  return entry.indexed;
}

}  // namespace manta::owner
