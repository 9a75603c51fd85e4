// Streams that this process reads: waiting for items, and taking them.
//
// Threading: any thread, without the owner's mutex. Ownership: what it is made with must outlive it.
#pragma once

#include <cstddef>
#include <span>

#include <manta/detail/stream_api.h>

#include "core/client/process_state.h"
#include "core/client/results.h"
#include "core/client/waits.h"

namespace manta::client {

class StreamReader {
 public:
  StreamReader(ProcessState& state, Results& results, Waits& waits) : state_(state), results_(results), waits_(waits) {}

  // False: fewer than `count` are ready, or have ended, by the deadline.
  bool await(std::span<detail::EntryHead* const> tasks, std::size_t count, detail::Deadline deadline);
  // open: no item was there by the deadline. Throws the error that the generator ended with.
  detail::StreamStep take_item(owner::Entry& task, owner::IncomingStream::Item& item, bool as_object,
                               detail::Deadline deadline);
  // The program wants no more.
  void drop(owner::Entry& task);

 private:
  ProcessState& state_;
  Results& results_;
  Waits& waits_;
};

}  // namespace manta::client
