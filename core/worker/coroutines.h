// When the suspended coroutines of an actor go on: for objects, which the client watches, and for times.
//
//   CORO-1  coroutines run in the executor's main thread only, and go on in the order in which they became ready
//   CORO-2  between two ready coroutines, or while many are ready, records are claimed: neither starves the other
//
// Threading: the main thread. Ownership: the awaits are their coroutines'.
#pragma once

#include <cstddef>
#include <deque>
#include <map>

#include <manta/detail/coroutine_call.h>

#include "core/client/client.h"

namespace manta::worker {

class Coroutines final : public detail::Resumer {
 public:
  bool wait_for(detail::Await& await) override;
  void wait_until(detail::Await& await, detail::Deadline time) override;
  void forget(detail::Await& await) noexcept override;

  // Whether something may be ready. Cheap: times are looked at by collect().
  bool ready() const { return !ready_.empty() || client().watchers().awaits().ready(); }
  // Takes what is ready by now; its number. That many calls of pop() follow.
  std::size_t collect();
  // Null: it was forgotten meanwhile, or a coroutine that blocks has resumed it.
  detail::Await* pop();
  // Of the next one that waits for a time; max: none does.
  detail::Deadline next_time() const { return times_.empty() ? detail::Deadline::max() : times_.begin()->first; }

 private:
  static client::Client& client() { return *client::Client::current(); }

  std::multimap<detail::Deadline, detail::Await*> times_;
  std::deque<detail::Await*> ready_;
};

}  // namespace manta::worker
