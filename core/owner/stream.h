// A stream as the process that reads it knows it: what has arrived and was not taken, and how far the producer may go.
//
//   STREAM-1  every item is taken at most once, in order, whatever is repeated: an item's index is its identity, and
//             one that has arrived before is dropped
//   STREAM-2  the producer gets a higher limit as items are taken; it never makes an item at or beyond its limit
//   STREAM-3  the end, or the error that ended it, comes after the last item that was made before
//   STREAM-4  a producer that sends items of a stream without a reader gets a message to stop; its items are freed
//
// Threading: none of its own (the owner's lock), but ready. Ownership: part of its task's entry (EntryExtra); holds the
// entries of its items.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <optional>

#include <manta/ids.h>

#include "core/owner/value.h"

namespace manta::owner {

struct Entry;

struct IncomingStream {
  struct Item {
    Value value;             // small, without references; or
    Entry* entry = nullptr;  // an object, held
  };

  // buffer_items: how far the producer may be ahead; 0: no limit.
  explicit IncomingStream(std::uint32_t buffer_items) : buffer(buffer_items), limit(buffer_items) {}

  std::uint32_t buffer;
  std::uint16_t attempt = 0;  // whose items arrive
  ClientId producer;          // none: no item has arrived
  std::uint64_t received = 0;
  std::uint64_t taken = 0;
  std::uint64_t limit;                 // as the producer knows it
  std::optional<std::uint64_t> total;  // that the attempt made which ended the task; none: it ended otherwise
  std::deque<Item> items;              // [taken, received)
  std::atomic<bool> ready{false};      // an item, the end or an error is there

  // A higher limit is worth a message.
  bool owes_credit() const { return buffer != 0 && taken + buffer - limit >= (buffer + 1) / 2; }
};

}  // namespace manta::owner
