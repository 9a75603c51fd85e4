#include "core/client/process_state.h"

#include <sstream>

namespace manta::client {

namespace {

constexpr int kMostEntries = 40;

// Null: it is done.
const char* name_of(owner::Phase phase) {
  switch (phase) {
    case owner::Phase::waiting:
      return "waiting for arguments";
    case owner::Phase::queued:
      return "queued";
    case owner::Phase::pushed:
      return "in a worker's ring";
    case owner::Phase::here:
      return "running here";
    case owner::Phase::borrowed:
      return "borrowed";
    default:
      return nullptr;
  }
}

}  // namespace

std::string describe(ProcessState& state) {
  std::ostringstream text;
  const OwnerLock guard(state);
  owner::Owner& owner = *state.owner;
  text << "owner: " << owner.objects().table().live() << " entries, " << owner.tasks().unfinished()
       << " unfinished, invariants: \"" << owner.check_invariants() << "\"\n";
  int described = 0;
  owner.objects().table().for_each([&](const owner::Entry& entry) {
    const char* phase = name_of(entry.phase);
    if (phase == nullptr || ++described > kMostEntries) return;
    text << "  " << entry.id.to_string() << ": " << phase << ", attempt " << entry.attempt << ", shape " << entry.shape;
    if (entry.extra) text << ", " << entry.extra->unresolved << " arguments missing";
    if (const owner::Lease* lease = entry.lease) {
      text << ", lease " << lease->id.value << " on worker " << lease->worker.value << ": " << lease->in_flight
           << " in flight" << (lease->blocked ? ", blocked" : "") << (lease->yielding ? ", yielding" : "")
           << (lease->full ? ", full" : "");
    }
    text << "\n";
  });
  const net::Doorbell& bell = state.slot.replies;
  text << "doorbell: " << bell.rings.load() << " rings, ready " << std::hex << bell.ready.load() << std::dec << ", "
       << bell.sleepers.load() << " sleepers\n";
  return text.str();
}

}  // namespace manta::client
