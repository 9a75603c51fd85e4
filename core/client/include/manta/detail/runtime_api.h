// What the public templates ask of the runtime of this process. Not for users: everything here may change.
//
// The boundary between typed code (headers) and the runtime (compiled once): values cross it encoded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <manta/detail/entry.h>
#include <manta/error.h>
#include <manta/ids.h>
#include <manta/options.h>

namespace manta::serial {
class Writer;
}

namespace manta::detail {

struct TaskCall {
  FunctionId function;
  const TaskOptions& options;
  const serial::Writer& values;            // the arguments given by value, in order
  std::uint32_t ref_mask = 0;              // bit i: parameter i is given as a reference
  std::span<EntryHead* const> references;  // those, in order
  bool streams = false;                    // a generator; the first of values is options.stream_buffer
};

struct ActorCall {  // the construction of an actor
  FunctionId constructor;
  const ActorOptions& options;
  std::string_view type;  // of the class, for find_actor
  const serial::Writer& values;
  std::uint32_t ref_mask = 0;
  std::span<EntryHead* const> references;
};

struct MethodCall {
  EntryHead* actor;
  FunctionId method;
  const serial::Writer& values;
  std::uint32_t ref_mask = 0;
  std::span<EntryHead* const> references;
  const CallOptions& options;
  bool streams = false;  // as in TaskCall
};

// The results carry one reference that belongs to the caller. Both throw Error: no runtime (init was not called or its
// Runtime is gone), store full, arguments that cannot be encoded.
EntryHead* submit(const TaskCall& call);
EntryHead* put(const serial::Writer& value);
// The handle. Throws as submit does, and invalid_argument for invalid options or a name that is taken.
EntryHead* create_actor(const ActorCall& call);
EntryHead* call_actor(const MethodCall& call);
void kill_actor(EntryHead* actor, bool restart);
// See manta::cancel.
void cancel(EntryHead* entry, bool force, bool recursive);
// Null: no actor has the name. invalid_argument: one of another type has.
EntryHead* find_actor(std::string_view name, std::string_view type);

// Blocks until the entry is resolved; false: the deadline passed first. Any thread.
bool wait_resolved(EntryHead* entry, Deadline deadline);
// After a wait that its deadline ended: why the entry is not resolved yet, for people. Empty: not known.
std::string why_unresolved(EntryHead* entry);
// Blocks until count of the entries are resolved (or the deadline); the number that are by then.
std::size_t wait_any(std::span<EntryHead* const> entries, std::size_t count, Deadline deadline);
// The value of a resolved entry; throws Error or TaskError where it failed. The view is valid while the entry is held.
ValueView read_value(EntryHead* entry);

// Objects that this process has decoded from stored values, for all its tasks that take them by const reference.
// Null: there is none of this object and type.
std::shared_ptr<const void> find_shared(const ObjectId& object, const void* type);
// Keeps the object for some time after its last use. Returns the one to use: `value`, or one kept before it.
std::shared_ptr<const void> keep_shared(const ObjectId& object, const void* type, std::shared_ptr<const void> value,
                                        std::size_t size_bytes);

// Whether another process owns the object.
bool is_borrowed(const EntryHead* entry);
// Asks the owners of those that other processes own and that are not here. May block until earlier messages are sent.
void ask_for(std::span<EntryHead* const> entries);
// Whether the value is there, and lies on another node.
bool lies_elsewhere(EntryHead* entry);
// Of those whose values lie on other nodes: has them brought here, the first ones, a bounded number of bytes together.
void bring(std::span<EntryHead* const> entries);

/// Reads many values one after the other without a journey for each: what other processes own is asked for, and what
/// lies on other nodes is brought here, before it is this value's turn; but only so far ahead that queues stay bounded.
///
/// Threading: one thread. Ownership: the entries are the caller's and outlive it. Errors: as wait_resolved and
/// read_value; what was asked for ahead fails only in its turn.
class ReadAhead {
 public:
  /// all: lists the entries, in the order in which they will be read. Called once, if there is something to ask for.
  explicit ReadAhead(std::function<std::vector<EntryHead*>()> all) : all_(std::move(all)) {}
  /// The next entry is about to be awaited. entry: which that is. Does not wait for it.
  void will_await(EntryHead& entry) {
    ++position_;
    if (!entry.resolved.load(std::memory_order_acquire)) ask_ahead(entry);
  }
  /// Blocks until the next entry is resolved; false: the deadline passed first.
  bool await(EntryHead& entry, Deadline deadline) {
    will_await(entry);
    return entry.resolved.load(std::memory_order_acquire) || wait_resolved(&entry, deadline);
  }
  /// The value of the entry that was awaited last; as read_value.
  ValueView read(EntryHead& entry);

 private:
  void ask_ahead(const EntryHead& missing);
  std::span<EntryHead* const> next(std::size_t from, std::size_t count);

  std::function<std::vector<EntryHead*>()> all_;
  std::vector<EntryHead*> entries_;
  std::size_t position_ = 0;  // of the entry after the one that was awaited last
  std::size_t asked_ = 0;     // entries before it were asked for where that is needed
  std::size_t brought_ = 0;   // until that position nothing more is brought
};

// Order of completion of a fixed set of entries, each reported once (as_completed).
class CompletionQueue {
 public:
  explicit CompletionQueue(std::span<EntryHead* const> entries);
  ~CompletionQueue();
  CompletionQueue(const CompletionQueue&) = delete;
  CompletionQueue& operator=(const CompletionQueue&) = delete;
  // Index in the span given to the constructor; blocks. Call at most as often as there are entries.
  std::size_t next();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace manta::detail
