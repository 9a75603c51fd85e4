// The hot functions of task_ring.h, to be inlined.
//
// Both wake-ups are Dekker's: each side writes its own word and then reads the other's, all sequentially consistent.
// Publisher: state = ready, then is worker_idle set? Worker: worker_idle = 1, then is the state ready? One of them sees
// the other. While the peer is awake its idle flag stays 0 in both caches, and a publisher writes the record only.
#pragma once

#include "core/net/task_ring.h"

namespace manta::net {

namespace detail {

Error bad_payload(std::uint32_t kind, std::uint32_t size_bytes);

// One read of a word that a hostile peer may change at any time: what was checked is what is used.
template <class T>
T read_once(const T& word) noexcept {
  return *static_cast<const volatile T*>(&word);
}

}  // namespace detail

[[nodiscard]] inline Result<std::span<const std::byte>> payload_of(const Record& record) {
  const std::uint32_t size_bytes = detail::read_once(record.size_bytes);
  if (size_bytes > Record::kPayloadBytes) [[unlikely]] {
    return tl::make_unexpected(detail::bad_payload(static_cast<std::uint32_t>(record.kind), size_bytes));
  }
  return std::span<const std::byte>(record.payload, size_bytes);
}

[[nodiscard]] inline Result<BlockRef> block_of(const Record& record) {
  const std::uint32_t size_bytes = detail::read_once(record.size_bytes);
  if (size_bytes > Record::kPayloadBytes || size_bytes < sizeof(BlockRef)) [[unlikely]] {
    return tl::make_unexpected(detail::bad_payload(static_cast<std::uint32_t>(record.kind), size_bytes));
  }
  BlockRef block;
  std::memcpy(&block, record.payload, sizeof(block));
  return block;
}

inline RingSubmitter::RingSubmitter(RingMemory& memory, Doorbell& worker_bell, std::uint32_t worker_group)
    : memory_(&memory), worker_bell_(&worker_bell), worker_group_(worker_group) {}

inline Record* RingSubmitter::reserve() noexcept {
  if (straggler_count_ != 0) [[unlikely]]
    leave_out_stragglers();
  if (!space()) [[unlikely]] {
    full_ = true;
    return nullptr;
  }
  return &memory_->at(tail_);
}

// The first condition is ours alone: a hostile worker cannot make us write over an outstanding record. The last one:
// the worker has not come by since the place was left out, and would take the record before its turn.
inline bool RingSubmitter::space() const noexcept {
  return tail_ - head_ < kRingRecords &&
         memory_->at(tail_).state.load(std::memory_order_seq_cst) == RecordState::free && !still_left_out(tail_);
}

inline void RingSubmitter::leave_out_stragglers() noexcept {
  while (tail_ - head_ < kRingRecords && is_in(stragglers_, tail_) && !still_left_out(tail_)) {
    memory_->left_out_at(tail_).fetch_or(RingMemory::left_out_bit(tail_), std::memory_order_seq_cst);
    flip_taken(tail_);
    ++taken_count_;
    ++tail_;
  }
}

inline std::uint32_t RingSubmitter::pass_front() noexcept {
  assert(head_ != tail_ && !is_taken(head_));
  flip(stragglers_, head_);
  ++straggler_count_;
  return static_cast<std::uint32_t>(head_++ % kRingRecords);
}

inline void RingSubmitter::free_straggler(std::uint32_t index) noexcept {
  assert(is_in(stragglers_, index));
  flip(stragglers_, index);
  --straggler_count_;
  memory_->ring[index].state.store(RecordState::free, std::memory_order_release);
}

inline void RingSubmitter::publish(Record& record) noexcept {
  assert(&record == &memory_->at(tail_));
  ++tail_;
  record.state.exchange(RecordState::ready, std::memory_order_seq_cst);
  if (memory_->worker_idle.load(std::memory_order_seq_cst) != 0) [[unlikely]] {
    if (memory_->worker_idle.exchange(0, std::memory_order_seq_cst) != 0) worker_bell_->ring(worker_group_);
  }
}

inline Record* RingSubmitter::front_done() noexcept {
  if (idle_) [[unlikely]] {
    idle_ = false;
    memory_->submitter_idle.exchange(0, std::memory_order_seq_cst);  // not a store: see RingWorker::flush
  }
  while (taken_count_ != 0 && head_ != tail_ && is_taken(head_)) {
    flip_taken(head_);
    --taken_count_;
    ++head_;
  }
  if (head_ == tail_) return nullptr;
  Record& record = memory_->at(head_);
  return record.state.load(std::memory_order_acquire) == RecordState::done ? &record : nullptr;
}

inline void RingSubmitter::free_front() noexcept {
  assert(head_ != tail_ && !is_taken(head_));
  memory_->at(head_).state.store(RecordState::free, std::memory_order_release);
  ++head_;
}

inline TakeBack RingSubmitter::take_back(std::uint64_t position) noexcept {
  assert(position - head_ < tail_ - head_);
  if (is_taken(position)) return TakeBack::taken;
  RecordState expected = RecordState::ready;
  if (memory_->at(position).state.compare_exchange_strong(expected, RecordState::taken, std::memory_order_acq_rel,
                                                          std::memory_order_acquire)) {
    flip_taken(position);
    ++taken_count_;
    return TakeBack::taken;
  }
  return expected == RecordState::done ? TakeBack::finished : TakeBack::started;
}

inline RecordState RingSubmitter::state(std::uint64_t position) const noexcept {
  if (position - head_ >= tail_ - head_) return RecordState::free;
  if (is_taken(position)) return RecordState::taken;
  const RecordState seen = memory_->at(position).state.load(std::memory_order_acquire);
  return seen == RecordState::ready || seen == RecordState::done ? seen : RecordState::claimed;
}

inline bool RingSubmitter::stop_looking() noexcept {
  if (front_done() != nullptr) return false;
  memory_->submitter_idle.exchange(1, std::memory_order_seq_cst);
  const bool done = head_ != tail_ && memory_->at(head_).state.load(std::memory_order_seq_cst) == RecordState::done;
  if (full_ && straggler_count_ != 0) leave_out_stragglers();
  const bool has_space = full_ && space();
  if (has_space) full_ = false;
  idle_ = !done && !has_space;
  if (!idle_) memory_->submitter_idle.exchange(0, std::memory_order_seq_cst);
  return idle_;
}

inline RingWorker::RingWorker(RingMemory& memory, Doorbell& submitter_bell, std::uint32_t submitter_group)
    : memory_(&memory), submitter_bell_(&submitter_bell), submitter_group_(submitter_group) {}

inline Record* RingWorker::claim() noexcept {
  if (idle_) [[unlikely]] {
    idle_ = false;
    memory_->worker_idle.store(0, std::memory_order_relaxed);
  }
  // Bounded: a hostile submitter could offer taken records for ever.
  for (std::uint32_t passed = 0; passed <= kRingRecords; ++passed) {
    Record& record = memory_->at(head_);
    RecordState seen = record.state.load(std::memory_order_acquire);
    if (seen == RecordState::ready &&
        record.state.compare_exchange_strong(seen, RecordState::claimed, std::memory_order_acq_rel,
                                             std::memory_order_acquire)) {
      ++head_;
      return &record;
    }
    if (seen == RecordState::taken) {
      record.state.store(RecordState::free, std::memory_order_release);
    } else if (left_out()) {
      memory_->left_out_at(head_).fetch_and(~RingMemory::left_out_bit(head_), std::memory_order_seq_cst);
    } else {
      return nullptr;
    }
    unnotified_ = true;  // the submitter may be waiting for space
    ++head_;
  }
  return nullptr;
}

inline void RingWorker::finish(Record& record, bool notify) noexcept {
  if (!notify || unnotified_) {
    record.state.store(RecordState::done, std::memory_order_release);
    unnotified_ = true;
    if (notify) flush();
    return;
  }
  record.state.exchange(RecordState::done, std::memory_order_seq_cst);
  if (memory_->submitter_idle.load(std::memory_order_seq_cst) != 0) [[unlikely]] {
    if (memory_->submitter_idle.exchange(0, std::memory_order_seq_cst) != 0) submitter_bell_->ring(submitter_group_);
  }
}

inline void RingWorker::flush() noexcept {
  if (!unnotified_) return;
  unnotified_ = false;
  // A read-modify-write, not a load: records were marked done by plain stores, which it must not overtake. If the
  // submitter's own exchange of the flag comes later, it sees those stores; for that (release sequence) the submitter
  // writes the flag by read-modify-writes only.
  if (memory_->submitter_idle.exchange(0, std::memory_order_seq_cst) != 0) submitter_bell_->ring(submitter_group_);
}

inline bool RingWorker::stop_looking() noexcept {
  flush();
  memory_->worker_idle.exchange(1, std::memory_order_seq_cst);
  const RecordState seen = memory_->at(head_).state.load(std::memory_order_seq_cst);
  idle_ = seen != RecordState::ready && seen != RecordState::taken && !left_out();
  if (!idle_) memory_->worker_idle.store(0, std::memory_order_relaxed);
  return idle_;
}

inline void RingWorker::set_blocked(bool blocked) noexcept {
  memory_->worker_blocked.store(blocked ? 1 : 0, std::memory_order_seq_cst);
  submitter_bell_->ring(submitter_group_);
}

}  // namespace manta::net
