// This process' own part of the node's store: blocks of its arena, and the file that objects go to when the store is
// full, as other processes' do.
//
// The file is read and written with the owner's mutex held, so that no thread begins to use an object that is being
// moved.
//
// Threading: any thread; with the owner's mutex where that is said. Ownership: owns the arena and the file.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <manta/error.h>
#include <manta/serial/writer.h>

#include "core/base/fd.h"
#include "core/client/process_state.h"
#include "core/client/space_requests.h"
#include "core/store/arena.h"
#include "core/store/spill_file.h"

namespace manta::client {

class OwnStoreContext {
 public:
  virtual ~OwnStoreContext() = default;
  // --- with the owner's mutex
  // Takes in the results of finished tasks: they are objects, too.
  virtual void drain() MANTA_REQUIRES(owner_mutex) = 0;
  // A thread of this process reads the block, or it lies in an arena that was never seen here.
  virtual bool is_read(const owner::StoredLocation& at) MANTA_REQUIRES(owner_mutex) = 0;
  // Null: not here.
  virtual std::shared_ptr<const store::ArenaView> arena_of(ClientId process) MANTA_REQUIRES(owner_mutex) = 0;
  virtual void arena_arrived(ClientId process, Fd memory) MANTA_REQUIRES(owner_mutex) = 0;
  // --- with it or without
  // An allocation has waited for long.
  virtual void say_space(std::uint64_t size_bytes, const std::string& not_spilled) = 0;
  // Which processes hold how much, for an error; waits for the node, so without the mutex.
  virtual std::string holders_of_store() = 0;
};

class OwnStore {
 public:
  // memory: of the arena, which is made when first needed.
  OwnStore(ProcessState& state, ToNode& node, OwnStoreContext& context, Fd memory)
      : state_(state), context_(context), memory_(std::move(memory)), requests_(node) {}

  // A block; objects and other processes leave the store for it if they must. May wait for other processes: not in the
  // thread that reads the node's messages. exhausted: there is no space.
  [[nodiscard]] Result<store::Block> allocate(std::uint64_t size_bytes);
  // Of a block that was just allocated, before it is written.
  // The arena is there, as the block is, and stays.
  void prepare(const store::Block& block) MANTA_NO_THREAD_SAFETY_ANALYSIS { arena_->prepare(block); }
  void free(std::uint64_t offset);
  // Encodes a value for the store, or up to inline_limit for the heap.
  owner::Value make_value(const serial::Writer& value, std::size_t inline_limit);
  // Brings a spilled value of so many bytes back, if it is still spilled. Throws Error.
  void restore_to_read(owner::Entry& entry, std::uint64_t size_bytes);
  // The node asks for space.
  std::uint64_t make_space(std::uint64_t bytes);
  SpaceRequests& requests() { return requests_; }
  // After the end of the runtime: own objects stay readable without the node.
  void keep();
  // Unmaps the arena.
  void close();

  // --- with the owner's mutex
  // For a task that is being pushed; without waiting.
  [[nodiscard]] Result<store::Block> allocate_to_push(std::uint64_t size_bytes) MANTA_REQUIRES(owner_mutex) {
    return allocate_now(size_bytes, Press::no);
  }
  void free_block(std::uint64_t offset) MANTA_REQUIRES(owner_mutex);
  const std::byte* at(std::uint64_t offset) MANTA_REQUIRES(owner_mutex) { return arena().at(offset); }
  // Without waiting. False: there is no space yet.
  bool restore(owner::Entry& entry) MANTA_REQUIRES(owner_mutex);
  void free_spilled(const owner::SpilledExtent& extent) MANTA_REQUIRES(owner_mutex) { file_->free(extent); }
  // Why the last attempt to spill failed; empty: it did not.
  std::string not_spilled() const MANTA_REQUIRES(owner_mutex) { return failed_ ? failed_->message() : std::string(); }

 private:
  using Clock = std::chrono::steady_clock;
  enum class Press : bool { no, yes };  // whether tasks that were not started may be taken back to free space

  store::Arena& arena() MANTA_REQUIRES(owner_mutex);
  bool spills() const { return state_.welcome.spill_directory != "none"; }
  [[nodiscard]] Result<store::Block> allocate_now(std::uint64_t size_bytes, Press press) MANTA_REQUIRES(owner_mutex);
  std::uint64_t spill(std::uint64_t bytes, Press press) MANTA_REQUIRES(owner_mutex);
  bool open_file() MANTA_REQUIRES(owner_mutex);
  void spill_failed(const Error& error) MANTA_REQUIRES(owner_mutex);
  void read_back(owner::Entry& entry, const store::Block& block) MANTA_REQUIRES(owner_mutex);
  void keep_arena() MANTA_REQUIRES(owner_mutex);

  ProcessState& state_;
  OwnStoreContext& context_;
  Fd memory_ MANTA_GUARDED_BY(owner_mutex);
  std::unique_ptr<store::Arena> arena_ MANTA_GUARDED_BY(owner_mutex);
  SpaceRequests requests_;

  std::unique_ptr<store::SpillFile> file_ MANTA_GUARDED_BY(owner_mutex);  // made when first needed
  std::optional<Error> failed_ MANTA_GUARDED_BY(owner_mutex);             // why the last attempt to spill failed
  Clock::time_point again_at_ MANTA_GUARDED_BY(owner_mutex);              // after a failure, not before
  std::chrono::milliseconds pause_ MANTA_GUARDED_BY(owner_mutex){0};      // before that
  Clock::time_point asked_at_ MANTA_GUARDED_BY(owner_mutex);              // the node, without waiting
};

}  // namespace manta::client
