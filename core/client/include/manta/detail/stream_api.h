// What the templates of streams ask of the runtime: in the worker that yields, and in the process that reads. Not for
// users: everything here may change.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <manta/detail/runtime_api.h>

namespace manta::detail {

// --- in the worker

// Where the items of one execution of a generator go. Threading: the thread that runs it.
class ItemSink {
 public:
  virtual ~ItemSink() = default;
  // Before the first. buffer: items that the reader need not have taken; 0: any number.
  virtual void begin(std::uint32_t buffer) = 0;
  // Hands the item on, and blocks until the next one may be made. False: the reader wants no more.
  virtual bool put(const serial::Writer& item) = 0;
  // After the last: all are on their way.
  virtual void end() = 0;
};

// --- in the process that made the call. A stream is the entry of its task, which resolves when that has ended.

enum class StreamStep : std::uint8_t { item, ended, open };

// An item that was taken.
struct StreamItem {
  static constexpr std::size_t kInlineBytes = 32;

  StreamItem() = default;
  ~StreamItem() {
    if (entry != nullptr) release(entry);
  }
  StreamItem(const StreamItem&) = delete;
  StreamItem& operator=(const StreamItem&) = delete;

  ValueView view;
  EntryHead* entry = nullptr;  // of one that is an object
  std::byte bytes[kInlineBytes];
};

// Waits for the next item, at most until the deadline (open). Throws the error with which the generator ended.
StreamStep take_item(EntryHead* stream, StreamItem& item, Deadline deadline);
// The same as an object, with one reference for the caller.
StreamStep take_item_ref(EntryHead* stream, EntryHead*& item, Deadline deadline);
// Whether take_item would not wait.
bool stream_ready(EntryHead* stream);
// Waits until so many are, or the deadline.
void wait_streams(std::span<EntryHead* const> streams, std::size_t count, Deadline deadline);
// The reader takes no further item. Takes over the caller's reference.
void drop_stream(EntryHead* stream) noexcept;

[[noreturn]] void throw_empty_stream();
[[noreturn]] void throw_stream_deadline();

}  // namespace manta::detail
