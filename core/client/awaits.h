// Coroutines of this process that wait for entries, and those whose entry is there: the executor resumes them.
//
//   AWAIT-1  an await is in the table from add() until its entry is resolved, and then ready until it is taken;
//            remove() ends either. Those of one entry become ready in the order in which they were added
//
// Threading: with the owner's mutex, but for ready() and any(). Ownership: the awaits are their coroutines'.
#pragma once

#include <atomic>
#include <cstddef>
#include <unordered_map>

#include <manta/detail/coroutine_call.h>

namespace manta::client {

class Awaits {
 public:
  void add(detail::Await& await);
  void remove(detail::Await& await);
  // The entry is resolved; true: a coroutine waits for it.
  bool resolved(const detail::EntryHead& entry);
  // Those that are ready, linked by next, in order.
  detail::Await* take();

  bool ready() const { return ready_.load(std::memory_order_seq_cst); }
  bool any() const { return waiting_.load(std::memory_order_relaxed) != 0; }

 private:
  struct List {
    detail::Await* front = nullptr;
    detail::Await* back = nullptr;
    void push(List more);
    bool erase(const detail::Await& await);
  };

  std::unordered_map<const detail::EntryHead*, List> table_;  // looked up, never walked
  List resolved_;
  std::atomic<std::size_t> waiting_{0};  // in the table
  std::atomic<bool> ready_{false};
};

}  // namespace manta::client
