// The submitter's end of a worker on another node: owner::WorkerLink on messages.
//
// Tasks go out as RunTask, a small window of them ahead; the worker runs them in order and answers each. What it has
// not started it sends back on request, and by itself when its task waits, so that no task waits behind another.
//
//   REMOTE-1  of a dead worker the oldest unfinished task counts as started, the later ones do not; of an actor as many
//             as it may run at a time
//   REMOTE-2  an answer for a task that is not outstanding here any more is dropped
//
// Threading: with the owner's mutex. Ownership: entries belong to the owner.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include <manta/ids.h>

#include "core/client/link_context.h"
#include "core/net/messages.h"
#include "core/owner/owner.h"

namespace manta::client {

class MessageLink final : public owner::WorkerLink {
 public:
  static constexpr std::size_t kWindow = 16;

  MessageLink(ClientId submitter, ClientId worker, LinkContext& context)
      : submitter_(submitter), worker_(worker), context_(context) {}

  bool push(owner::Entry& entry) override;
  // At once only from a worker that is lost; else asks, and the answer comes as messages.
  owner::Entry* take_back_last() override;
  bool take_back(owner::Entry&) override { return false; }
  owner::Entry* next_lost() override;
  bool push_end() override;
  void running(std::vector<owner::Entry*>& entries) const override;
  void replace(owner::Entry& entry, owner::Entry& by) override;

  // The task and its result; null: REMOTE-2.
  owner::Entry* finished(const net::TaskDone& done, owner::Outcome& outcome);
  // The task that comes back; null: REMOTE-2.
  owner::Entry* returned(std::uint64_t position);
  // The worker has begun a task with a time limit.
  void began(std::uint64_t position) {
    if (outstanding_.contains(position)) began_.insert(position);
  }
  // All that was asked for has come back.
  void answered() { asked_ = false; }
  // The worker is gone, and all its answers were delivered.
  void lose() { lost_ = true; }

  LeaseId lease;                // in force; none: kept for the next one
  std::uint32_t task_cpus = 0;  // ten-thousandths, of the lease

 private:
  const ClientId submitter_;
  const ClientId worker_;
  LinkContext& context_;
  std::uint64_t next_ = 0;
  std::map<std::uint64_t, owner::Entry*> outstanding_;  // by position
  std::set<std::uint64_t> began_;                       // of those with a time limit
  std::size_t at_a_time_ = 1;
  bool asked_ = false;
  bool lost_ = false;
};

}  // namespace manta::client
