// What the parts of a process share: its owner and the mutex that guards it, what the node has said, the shared page.
// Data without behaviour: each part does its own job on it.
//
// Threading: what owner_mutex guards, under an OwnerLock of the state; the rest is constant or atomic. Ownership: the
// client's.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <manta/error.h>

#include "core/base/mutex.h"
#include "core/net/messages.h"
#include "core/net/node_page.h"
#include "core/observe/events.h"
#include "core/owner/owner.h"

namespace manta::client {

class LocalRunner;

// In annotations, the mutex of the process' owner, by whatever name a part reaches it: clang does not know that all of
// them are one. (A program that starts a second runtime has two, of two clients that share nothing.)
class MANTA_THREAD_ANNOTATION(capability("mutex")) OwnerMutex {};
inline constexpr OwnerMutex owner_mutex;
// For what the owner calls, its effects, which have no annotations: it is only called with the mutex.
inline void assert_owner_locked() MANTA_THREAD_ANNOTATION(assert_capability(owner_mutex)) {}

struct ProcessState {
  ProcessState(net::Welcome welcome_message, net::NodePage& shared_page)
      : welcome(std::move(welcome_message)),
        page(shared_page),
        slot(shared_page.slots[welcome.slot]),
        nodes(welcome.nodes) {}

  const net::Welcome welcome;
  net::NodePage& page;
  net::ClientSlot& slot;  // this process' in the page

  Mutex mutex;  // see OwnerLock
  std::unique_ptr<owner::Owner> owner MANTA_PT_GUARDED_BY(owner_mutex);
  std::vector<net::NodeOfCluster> nodes MANTA_GUARDED_BY(owner_mutex);  // alive
  bool node_gone MANTA_GUARDED_BY(owner_mutex) = false;
  std::optional<Error> end MANTA_GUARDED_BY(owner_mutex);  // why nothing can be submitted any more

  observe::Events events;
  std::atomic<LocalRunner*> local{nullptr};  // what runs this process' tasks in it; null: other processes run them
  std::atomic<std::uint32_t> waiters{0};     // threads that wait for results, polling or asleep
};

// Holds the mutex of the state's owner while it lives, but between unlock() and lock().
class MANTA_THREAD_ANNOTATION(scoped_lockable) OwnerLock {
 public:
  explicit OwnerLock(ProcessState& state) MANTA_ACQUIRE(owner_mutex) MANTA_NO_THREAD_SAFETY_ANALYSIS
      : lock_(state.mutex) {}
  ~OwnerLock() MANTA_RELEASE() MANTA_NO_THREAD_SAFETY_ANALYSIS {}
  void unlock() MANTA_RELEASE() MANTA_NO_THREAD_SAFETY_ANALYSIS { lock_.unlock(); }
  void lock() MANTA_ACQUIRE() MANTA_NO_THREAD_SAFETY_ANALYSIS { lock_.lock(); }

 private:
  MutexLock lock_;  // owner_mutex stands for its mutex, which clang cannot know
};
// The mutex is released while the thread waits, and held again when this returns, which it may without a reason.
inline void wait(CondVar& changed, ProcessState& state) MANTA_REQUIRES(owner_mutex) MANTA_NO_THREAD_SAFETY_ANALYSIS {
  changed.wait(state.mutex);  // it is the one that the annotation means
}

inline ClientId self_of(const ProcessState& state) { return state.welcome.client; }
inline bool on_other_node(const ProcessState& state, ClientId client) {
  return node_of(client) != node_of(self_of(state));
}

// What is open, as text: for a program that hangs. Takes the mutex.
std::string describe(ProcessState& state);

}  // namespace manta::client
