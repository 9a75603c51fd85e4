// Tasks from one submitter to one worker, and their results back, through shared memory.
//
// One ring of fixed records. The submitter fills a record, the worker claims it, runs it and writes the result into the
// same record, the submitter reads it and frees it. Memory is touched only as positions advance.
//
//   RING-1  a record's content is written only by its holder: free -> submitter, claimed -> worker, done -> submitter
//   RING-2  ready -> claimed (worker) and ready -> taken (submitter takes it back) exclude each other: compare-and-swap
//   RING-3  after kill -9 of either side at any instruction the other side can still tell for every record which state
//           it is in; no length or index written by the peer is trusted beyond the record's bounds
//   RING-4  publishing wakes the worker iff it stopped looking (worker_idle), finishing wakes the submitter likewise;
//           no wake-up is lost
//   RING-5  a record that is not done for long holds up no other, if its submitter passes it (a straggler: actors with
//           several threads finish out of order): its place is left out in later laps, which the submitter marks and
//           the worker unmarks as it passes
//
// Positions count up for ever; position modulo kRecords is the index. Threading: each end is used by one thread at a
// time (the submitter's under its owner lock, the worker's by its executor).
#pragma once

#include <array>
#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <manta/error.h>
#include <manta/ids.h>

#include "core/net/doorbell.h"

namespace manta::net {

enum class RecordState : std::uint32_t { free, ready, claimed, done, taken };

enum class PayloadKind : std::uint8_t {
  none,         // no bytes
  bytes,        // `size` bytes in the record
  block,        // BlockRef in the record: bytes in the writer's arena, to be copied or read before the record is freed
  stored,       // BlockRef in the record: an object of the store, which outlives the record
  error,        // reply only: encoded Error in the record
  error_block,  // reply only: encoded Error in a block
};

struct BlockRef {
  ClientId arena;
  std::uint64_t offset = 0;
  std::uint64_t size_bytes = 0;
};

struct alignas(128) Record {
  std::atomic<RecordState> state;
  PayloadKind kind;
  std::uint8_t flags;
  std::uint16_t attempt;
  std::uint32_t size_bytes;  // of the payload in the record
  std::uint32_t ref_mask;    // request: parameters that come as references
  std::uint64_t function;
  ObjectId task;
  static constexpr std::size_t kPayloadBytes = 88;
  std::byte payload[kPayloadBytes];

  static constexpr std::uint8_t kFramed = 1;     // the value starts with a frame
  static constexpr std::uint8_t kHasRefs = 2;    // reply: the payload ends with reports on references
  static constexpr std::uint8_t kConstruct = 4;  // request: makes the worker's actor
  static constexpr std::uint8_t kMethod = 8;     // request: a call of it
  static constexpr std::uint8_t kEnd = 16;       // request: end it, and the process
};
static_assert(sizeof(Record) == 128);

// The bytes that a peer put into a record that this side holds. invalid_argument: more than fit. Copy them before
// checking what is in them: a hostile peer may still write.
[[nodiscard]] Result<std::span<const std::byte>> payload_of(const Record& record);
// The reference at the start of the payload of kinds block, stored and error_block.
[[nodiscard]] Result<BlockRef> block_of(const Record& record);

inline constexpr std::uint32_t kRingRecords = 1024;

// The shared mapping. Pages are zero at first: state free is 0.
struct RingMemory {
  static constexpr std::uint64_t kMagic = 0x31676e69725f616d;
  static constexpr std::uint32_t kVersion = 2;
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t records;
  alignas(64) std::atomic<std::uint32_t> worker_idle;     // 1: the worker stopped looking; a publisher rings
  std::atomic<std::uint32_t> worker_blocked;              // 1: its task waits in get; the submitter takes tasks back
  alignas(64) std::atomic<std::uint32_t> submitter_idle;  // 1: the submitter stopped looking; a finisher rings
  // CPUs, in ten-thousandths, that the lease in force gives to each task; set by the submitter before it publishes.
  alignas(64) std::atomic<std::uint32_t> task_cpus;
  // How many methods of the worker's actor run at a time. The submitter that constructs the actor sets it; the worker
  // tells the other submitters. Above 1 records are not done in order.
  std::atomic<std::uint32_t> concurrency;
  // A bit for each record: the worker leaves out its next position there (RING-5). Set by submitter, cleared by worker.
  alignas(64) std::array<std::atomic<std::uint32_t>, kRingRecords / 32> left_out;
  alignas(128) Record ring[kRingRecords];

  static constexpr std::size_t bytes();  // size of the mapping
  // Sizes and seals a memfd (empty, or made by create_shared_memory with bytes()), maps it and writes the header.
  [[nodiscard]] static Result<RingMemory*> create(int fd);
  // Maps what a peer created. invalid_argument: not a ring of this version, or its size is not sealed.
  [[nodiscard]] static Result<RingMemory*> attach(int fd);
  static void unmap(RingMemory* memory) noexcept;

  Record& at(std::uint64_t position) noexcept { return ring[position & (kRingRecords - 1)]; }
  std::atomic<std::uint32_t>& left_out_at(std::uint64_t position) noexcept {
    return left_out[position % kRingRecords / 32];
  }
  static constexpr std::uint32_t left_out_bit(std::uint64_t position) { return std::uint32_t{1} << (position % 32); }
};
constexpr std::size_t RingMemory::bytes() { return sizeof(RingMemory); }

enum class TakeBack : std::uint8_t { taken, started, finished };

// The submitter's end.
class RingSubmitter {
 public:
  RingSubmitter() = default;
  RingSubmitter(RingMemory& memory, Doorbell& worker_bell, std::uint32_t worker_group);
  // Where the worker looked for tasks last (Doorbell::cpu).
  std::uint32_t worker_cpu() const noexcept { return worker_bell_->cpu.load(std::memory_order_relaxed); }

  // The record at next_position() if it is free; fill it, then publish(). Null: the ring is full.
  Record* reserve() noexcept;
  std::uint64_t next_position() const noexcept { return tail_; }
  void publish(Record& record) noexcept;

  // The oldest position not yet freed that is done; skips taken ones. Null: none. Then free_front().
  Record* front_done() noexcept;
  std::uint64_t front_position() const noexcept { return head_; }
  void free_front() noexcept;

  // Passes the front record, which has started and is not done: a straggler, no longer outstanding. Returns its index.
  std::uint32_t pass_front() noexcept;
  Record& straggler(std::uint32_t index) noexcept { return memory_->ring[index]; }
  bool straggler_done(std::uint32_t index) const noexcept {
    return memory_->ring[index].state.load(std::memory_order_seq_cst) == RecordState::done;
  }
  void free_straggler(std::uint32_t index) noexcept;

  // Takes the record back if it has not started. For outstanding positions.
  TakeBack take_back(std::uint64_t position) noexcept;
  // free for positions that are not outstanding; what a peer cannot have written by the rules counts as claimed.
  RecordState state(std::uint64_t position) const noexcept;
  // Positions published and not yet consumed by free_front or pass_front, or skipped: [front_position, next_position).
  std::uint64_t outstanding() const noexcept { return tail_ - head_; }

  // Before sleeping: from now on a finisher rings, until the next front_done(). False: something is done already, or
  // reserve() found the ring full and it no longer is: do not sleep.
  bool stop_looking() noexcept;
  bool worker_blocked() const noexcept { return memory_->worker_blocked.load(std::memory_order_acquire) != 0; }

 private:
  RingMemory* memory_ = nullptr;
  Doorbell* worker_bell_ = nullptr;
  std::uint32_t worker_group_ = 0;
  std::uint64_t tail_ = 0;
  std::uint64_t head_ = 0;
  bool idle_ = false;  // submitter_idle may be 1
  bool full_ = false;  // reserve() failed, and no stop_looking() has seen space since
  // Positions, taken or left out, that front_done has not passed yet. Kept here because the worker frees taken ones in
  // shared memory.
  std::uint32_t taken_count_ = 0;
  using Bits = std::array<std::uint64_t, kRingRecords / 64>;
  Bits taken_{};
  std::uint32_t straggler_count_ = 0;
  Bits stragglers_{};

  static bool is_in(const Bits& bits, std::uint64_t position) noexcept {
    return (bits[(position % kRingRecords) / 64] >> (position % 64)) & 1;
  }
  static void flip(Bits& bits, std::uint64_t position) noexcept {
    bits[(position % kRingRecords) / 64] ^= std::uint64_t{1} << (position % 64);
  }
  bool is_taken(std::uint64_t position) const noexcept { return is_in(taken_, position); }
  void flip_taken(std::uint64_t position) noexcept { flip(taken_, position); }
  bool still_left_out(std::uint64_t position) const noexcept {
    return (memory_->left_out_at(position).load(std::memory_order_seq_cst) & RingMemory::left_out_bit(position)) != 0;
  }
  bool space() const noexcept;
  void leave_out_stragglers() noexcept;
};

// The worker's end.
class RingWorker {
 public:
  RingWorker() = default;
  RingWorker(RingMemory& memory, Doorbell& submitter_bell, std::uint32_t submitter_group);
  // Where the submitter looked for results last (Doorbell::cpu).
  std::uint32_t submitter_cpu() const noexcept { return submitter_bell_->cpu.load(std::memory_order_relaxed); }

  // Claims the next ready record, passing (and freeing) taken ones; null: nothing is ready. In order of publication.
  Record* claim() noexcept;
  // Marks a claimed record done. The submitter, if it sleeps, is woken now if `notify`, else by a later finish or by
  // flush.
  void finish(Record& record, bool notify) noexcept;
  // Wakes a sleeping submitter if finished records have not been notified.
  void flush() noexcept;
  // Before sleeping: from now on a publisher rings, until the next claim(). Flushes. False: something is ready already,
  // do not sleep.
  bool stop_looking() noexcept;
  void set_blocked(bool blocked) noexcept;  // and rings the submitter

 private:
  RingMemory* memory_ = nullptr;
  Doorbell* submitter_bell_ = nullptr;
  std::uint32_t submitter_group_ = 0;
  std::uint64_t head_ = 0;
  bool unnotified_ = false;  // the submitter may sleep and not know of a finished record, or of a freed one
  bool idle_ = false;        // worker_idle may be 1

  bool left_out() const noexcept {
    return (memory_->left_out_at(head_).load(std::memory_order_seq_cst) & RingMemory::left_out_bit(head_)) != 0;
  }
};

}  // namespace manta::net

#include "core/net/task_ring_inl.h"
