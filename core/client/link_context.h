// What a link to a worker asks of its process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include <manta/detail/runtime_api.h>
#include <manta/error.h>
#include <manta/ids.h>

#include "core/base/fd.h"
#include "core/client/process_state.h"
#include "core/net/messages.h"
#include "core/owner/entry.h"
#include "core/store/arena.h"

namespace manta::client {

// Threading: with the owner's mutex.
class LinkContext {
 public:
  virtual ~LinkContext() = default;
  // A block of this process' arena for a task that is being pushed; without waiting.
  [[nodiscard]] virtual Result<store::Block> allocate_to_push(std::uint64_t size_bytes) MANTA_REQUIRES(owner_mutex) = 0;
  virtual void free_block(std::uint64_t offset) MANTA_REQUIRES(owner_mutex) = 0;
  virtual const std::byte* bytes_at(std::uint64_t offset) MANTA_REQUIRES(owner_mutex) = 0;
  // Another process' arena; null: not here.
  virtual std::shared_ptr<const store::ArenaView> arena_of(ClientId process) MANTA_REQUIRES(owner_mutex) = 0;
  virtual void arena_arrived(ClientId process, Fd memory) MANTA_REQUIRES(owner_mutex) = 0;
  // The reference, as the worker will know it.
  virtual detail::WireRef wire_ref(owner::Entry& entry) MANTA_REQUIRES(owner_mutex) = 0;
  virtual void send_to_peer(ClientId to, const net::PeerPacket& packet) MANTA_REQUIRES(owner_mutex) = 0;
};

}  // namespace manta::client
