// Reading values, wherever they lie: in an arena of this node, on another node, in the spill file.
//
// Threading: any thread, without the owner's mutex where nothing else is said; reading may block. Ownership: views hold
// what they show; they may outlive this.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include <manta/detail/runtime_api.h>
#include <manta/error.h>

#include "core/base/fd.h"
#include "core/client/arenas.h"
#include "core/client/pins.h"
#include "core/client/process_state.h"
#include "core/client/remote_blocks.h"
#include "core/client/shared_values.h"
#include "core/client/to_node.h"
#include "core/client/waits.h"

namespace manta::client {

class ValuesContext {
 public:
  virtual ~ValuesContext() = default;
  // Brings a spilled value back. Throws Error.
  virtual void restore_to_read(owner::Entry& entry, std::uint64_t size_bytes) = 0;
  // A shared value is to be dropped in time.
  virtual void wake_background() = 0;
};

class Values {
 public:
  Values(ProcessState& state, ToNode& node, Waits& waits, ValuesContext& context);

  // Of an entry that is resolved. Throws the entry's error, too.
  detail::ValueView read(owner::Entry& entry);
  // Of a task that is about to run in this process.
  detail::ValueView read_arguments(owner::Entry& task);
  // A view of a stored value that holds `entry` (one reference of it passes over) while it is used.
  detail::ValueView view(const owner::StoredLocation& location, bool framed, owner::Entry* entry);
  // Bytes of a stored value; keepalive: of the memory. Errors: object_lost.
  [[nodiscard]] Result<const std::byte*> bytes_at(const owner::StoredLocation& location,
                                                  std::shared_ptr<const void>& keepalive);

  // --- for values that are read one after the other (detail::ReadAhead)
  // Their owners are asked for them, if they are borrowed.
  void ask_for(std::span<detail::EntryHead* const> entries);
  bool lies_elsewhere(const owner::Entry& entry);
  // Those that lie on other nodes are brought here, up to a limit of bytes together.
  void bring(std::span<detail::EntryHead* const> entries);

  // --- decoded once for all tasks
  std::shared_ptr<const void> find_shared(const ObjectId& object, const void* type);
  std::shared_ptr<const void> keep_shared(const ObjectId& object, const void* type, std::shared_ptr<const void> value,
                                          std::size_t size_bytes);
  SharedValues::Time expire_shared(SharedValues::Time now) { return shared_.expire(now); }

  // --- other processes' memory
  std::shared_ptr<const store::ArenaView> arena_of(ClientId process) { return arenas_.known(process); }
  void arena_arrived(ClientId process, Fd memory) { arenas_.arrived(process, std::move(memory)); }
  void arena_unused(ClientId process) { arenas_.forget(process); }
  void block_arrived(const net::BlockPulled& block, Fd memory);
  // No entry says any more that its value lies there.
  void unused(const owner::StoredLocation& location);
  // A thread of this process reads it, or it lies in an arena that was never seen here.
  bool is_read(const owner::StoredLocation& location);
  // The node is gone.
  void close();

 private:
  detail::ValueView read(owner::Entry& entry, bool arguments);
  const owner::StoredLocation* location_elsewhere(const owner::Entry& entry) const;  // null: it lies on no other node
  detail::ValueView view_elsewhere(const owner::StoredLocation& location, bool framed,
                                   std::shared_ptr<owner::Entry> hold);
  bool moved_on(const owner::Entry& entry, const owner::StoredLocation& from);

  ProcessState& state_;
  ToNode& node_;
  Waits& waits_;
  ValuesContext& context_;
  Arenas arenas_;
  RemoteBlocks remote_blocks_;
  Pins pins_;
  SharedValues shared_;
};

}  // namespace manta::client
