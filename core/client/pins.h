// The stored objects that this process reads at the moment.
//
//   PIN-1  an object's block is held (by its entry) as long as anything reads it
//   PIN-2  all readers of a block share one pin: what one of them wrote into its private pages stays until the last is
//          gone, and no later reader sees it
//
// Threading: any thread; pins end on any thread. Ownership: a pin may outlive the Pins that made it.
#pragma once

#include <memory>

#include "core/owner/entry.h"
#include "core/owner/value.h"
#include "core/store/arena.h"

namespace manta::client {

class Pins {
 public:
  Pins();

  // What keeps the block readable through view; entry is let go with it.
  std::shared_ptr<const void> pin(const owner::StoredLocation& location, std::shared_ptr<const store::ArenaView> view,
                                  std::shared_ptr<owner::Entry> entry);
  bool is_read(const owner::StoredLocation& location) const;

 private:
  struct Pin;
  struct Table;
  std::shared_ptr<Table> table_;
};

}  // namespace manta::client
