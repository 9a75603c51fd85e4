// What made a result that lies on another node, kept to make the result again if that node dies (OWN-11).
//
// Threading: none of its own (the owner's lock).
#pragma once

#include "core/owner/objects.h"

namespace manta::owner {

class Lineage {
 public:
  explicit Lineage(Objects& objects) : objects_(objects) {}
  // Of a task that has ended with that result. True: its arguments are kept.
  bool keep(Entry& entry, const Value& result) {
    return result.in_arena() && node_of(result.arena()) != node_of(objects_.self()) && keep_arguments(entry);
  }
  // The task has its arguments again.
  static void restore(Entry& entry);
  // The entry goes.
  void drop(Entry& entry);

 private:
  bool keep_arguments(Entry& entry);

  Objects& objects_;
};

}  // namespace manta::owner
