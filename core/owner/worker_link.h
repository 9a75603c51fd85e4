// The submitter's end of one leased worker: a ring in shared memory, or messages to a worker of another node.
//
// Threading: none of its own (the owner's lock). Ownership: the process' edge owns links; they outlive the leases and
// actors that use them.
#pragma once

#include <vector>

namespace manta::owner {

struct Entry;

// Entries stay in order; the link remembers which record is whose.
class WorkerLink {
 public:
  virtual ~WorkerLink() = default;
  // Writes the task (entry.function, ref_mask, value, references) for the worker. False: there is no space now.
  virtual bool push(Entry& entry) = 0;
  // Takes back the newest task that has not started; null: none.
  virtual Entry* take_back_last() = 0;
  // Takes back this one; false: it has started.
  virtual bool take_back(Entry& entry) = 0;
  // After the worker's death, and after its finished tasks were reported: the next one that had started; null: no more.
  virtual Entry* next_lost() = 0;
  // Asks the worker to end its actor, and itself, after what was pushed before. False: there is no space now.
  virtual bool push_end() = 0;
  // Appends those that have started and have not ended, as far as is known here.
  virtual void running(std::vector<Entry*>& entries) const = 0;
  // Reports the end of `entry`, which runs, as that of `by`.
  virtual void replace(Entry& entry, Entry& by) = 0;
};

}  // namespace manta::owner
