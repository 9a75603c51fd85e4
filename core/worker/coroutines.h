// When the suspended coroutines of an actor go on: for objects, which the client watches, and for times.
//
//   CORO-1  coroutines run in the executor's main thread only (with MANTA_LOCAL: in one thread at a time), and go on in
//           the order in which they became ready
//   CORO-2  between two ready coroutines, or while many are ready, records are claimed: neither starves the other
//
// Threading: that thread. Ownership: the awaits are their coroutines'.
#pragma once

#include <cstddef>
#include <deque>
#include <map>

#include <manta/detail/coroutine_call.h>

#include "core/client/client.h"

namespace manta::worker {

class Coroutines final : public detail::Resumer {
 public:
  void attach(client::Client& client) { client_ = &client; }

  bool wait_for(detail::Await& await) override;
  void wait_until(detail::Await& await, detail::Deadline time) override;
  void forget(detail::Await& await) noexcept override;

  // Whether something may be ready. Cheap: times are looked at by collect().
  bool ready() const { return !ready_.empty() || client_->watchers().awaits().ready(); }
  // Takes what is ready by now; its number. That many calls of pop() follow.
  std::size_t collect();
  // Null: it was forgotten meanwhile, or a coroutine that blocks has resumed it.
  detail::Await* pop();
  // It goes on later than those that are ready.
  void put_off(detail::Await& await) { ready_.push_back(&await); }
  // Of the next one that waits for a time; max: none does.
  detail::Deadline next_time() const { return times_.empty() ? detail::Deadline::max() : times_.begin()->first; }

 private:
  client::Client* client_ = nullptr;
  std::multimap<detail::Deadline, detail::Await*> times_;
  std::deque<detail::Await*> ready_;
};

}  // namespace manta::worker
