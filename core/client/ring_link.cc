#include "core/client/ring_link.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/client/task_codec.h"

namespace manta::client {

using net::PayloadKind;
using net::Record;

RingLink::RingLink(const Ends& ends, net::RingMemory& memory, net::ClientSlot& worker_slot, Polled& polled,
                   LinkContext& context)
    : ends_(ends),
      memory_(&memory),
      polled_(polled),
      context_(context),
      ring_(memory, worker_slot.tasks, net::group_of(ends.submitter)) {}

RingLink::~RingLink() {
  assert_owner_locked();
  for (const Straggler& straggler : stragglers_) free_block(straggler.block);
  for (const std::uint64_t block : blocks_) free_block(block);
  net::RingMemory::unmap(memory_);
}

void RingLink::set_task_cpus(std::uint32_t ten_thousandths) {
  memory_->task_cpus.store(ten_thousandths, std::memory_order_relaxed);
}

std::uint64_t RingLink::position_of(const owner::Entry& entry) const {
  const std::uint64_t front = ring_.front_position();
  return front + static_cast<std::uint32_t>(entry.position - static_cast<std::uint32_t>(front));
}

bool RingLink::push(owner::Entry& entry) {
  assert_owner_locked();
  Record* record = ring_.reserve();
  if (record == nullptr) return false;
  const std::uint64_t position = ring_.next_position();
  std::uint64_t block = kNoBlock;
  if (!fill(*record, entry, block)) return false;
  entry.position = static_cast<std::uint32_t>(position);
  const std::size_t index = position % net::kRingRecords;
  entries_[index] = &entry;
  if (block != kNoBlock) {
    if (blocks_.empty()) blocks_.assign(net::kRingRecords, kNoBlock);
    blocks_[index] = block;
  }
  ring_.publish(*record);
  back_ = position + 1;
  poll(polled_);
  return true;
}

// False: no space in the store for a block.
bool RingLink::fill(Record& record, const owner::Entry& entry, std::uint64_t& block) {
  record.function = entry.function.value;
  record.task = entry.id;
  record.ref_mask = entry.ref_mask;
  record.attempt = entry.attempt;
  record.flags = entry.value.framed() ? Record::kFramed : 0;
  if (entry.kind == owner::Kind::call) {
    record.flags |= Record::kMethod;
  } else if (entry.kind == owner::Kind::actor) {
    record.flags |= Record::kConstruct;
    memory_->task_cpus.store(static_cast<std::uint32_t>(entry.actor->request.cpus.units()), std::memory_order_relaxed);
    memory_->concurrency.store(entry.actor->limits.max_concurrency, std::memory_order_relaxed);
  }
  const RequestPart label = label_part(entry);
  if (entry.ref_mask != 0 || !label.bytes.empty()) {
    record.flags |= Record::kHasRefs;
    const auto part_for = [&](owner::Entry& reference) MANTA_REQUIRES(owner_mutex) {
      RequestPart part = part_of(reference.value);
      if (part.stored) part.object = context_.wire_ref(reference);
      return part;
    };
    const std::span<owner::Entry* const> references = references_of(entry);
    for (const owner::Entry* reference : references) {
      if (reference->value.spilled()) return false;  // spilled to make space for this task
    }
    const RequestPart values = part_of(entry.value);
    std::size_t size = encoded_size(values);
    for (owner::Entry* reference : references) size += encoded_size(part_of(reference->value));
    if (!label.bytes.empty()) size += encoded_size(label);
    return place(record, size, block, [&](std::byte* to) MANTA_REQUIRES(owner_mutex) {
      to = encode(values, to);
      for (owner::Entry* reference : references) to = encode(part_for(*reference), to);
      if (!label.bytes.empty()) encode(label, to);
    });
  }
  if (entry.value.in_arena()) {
    const owner::StoredLocation& at = entry.value.stored();
    refer(record, {at.arena, at.offset, at.size_bytes});
    return true;
  }
  const std::span<const std::byte> bytes = entry.value.bytes();
  return place(record, bytes.size(), block, [&](std::byte* to) {
    if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
  });
}

// Into the record if it fits, else into a block. False: no space in the store.
template <class Fill>
bool RingLink::place(Record& record, std::size_t size, std::uint64_t& block, Fill fill) {
  if (size <= Record::kPayloadBytes) {
    record.kind = PayloadKind::bytes;
    record.size_bytes = static_cast<std::uint32_t>(size);
    fill(record.payload);
    return true;
  }
  auto space = context_.allocate_to_push(size);
  if (!space) return false;
  fill(space->data);
  block = space->offset;
  refer(record, {ends_.submitter, space->offset, size});
  return true;
}

void RingLink::refer(Record& record, const net::BlockRef& block) {
  record.kind = PayloadKind::block;
  record.size_bytes = sizeof block;
  std::memcpy(record.payload, &block, sizeof block);
}

void RingLink::forget(std::uint64_t position) {
  const std::size_t index = position % net::kRingRecords;
  entries_[index] = nullptr;
  if (!blocks_.empty()) free_block(std::exchange(blocks_[index], kNoBlock));
}

owner::Entry* RingLink::take_back_last() {
  assert_owner_locked();
  while (back_ > ring_.front_position()) {
    const std::uint64_t position = back_ - 1;
    owner::Entry* entry = entries_[position % net::kRingRecords];
    if (entry != nullptr) {
      if (ring_.take_back(position) != net::TakeBack::taken) return nullptr;  // nor is any older one left
      --back_;
      forget(position);
      return entry;
    }
    --back_;
  }
  return nullptr;
}

bool RingLink::take_back(owner::Entry& entry) {
  assert_owner_locked();
  const std::uint64_t position = position_of(entry);
  if (entries_[position % net::kRingRecords] != &entry) return false;
  if (ring_.take_back(position) != net::TakeBack::taken) return false;
  forget(position);
  return true;
}

owner::Entry* RingLink::next_lost() {
  assert_owner_locked();
  while (!stragglers_.empty()) {
    const Straggler straggler = stragglers_.front();
    stragglers_.erase(stragglers_.begin());
    free_block(straggler.block);
    if (straggler.entry != nullptr) return straggler.entry;
  }
  for (std::uint64_t position = ring_.front_position(); position < ring_.next_position(); ++position) {
    owner::Entry* entry = entries_[position % net::kRingRecords];
    if (entry == nullptr) continue;
    forget(position);
    return entry;
  }
  return nullptr;
}

bool RingLink::push_end() {
  Record* record = ring_.reserve();
  if (record == nullptr) return false;
  record->flags = Record::kEnd;
  record->kind = PayloadKind::none;
  entries_[ring_.next_position() % net::kRingRecords] = nullptr;
  ring_.publish(*record);
  back_ = ring_.next_position();
  return true;
}

// Records are claimed in order: behind one that is ready there is none that runs.
void RingLink::running(std::vector<owner::Entry*>& entries) const {
  for (const Straggler& each : stragglers_) {
    if (each.entry != nullptr && !ring_.straggler_done(each.index)) entries.push_back(each.entry);
  }
  for (std::uint64_t position = ring_.front_position(); position < ring_.next_position(); ++position) {
    const net::RecordState state = ring_.state(position);
    if (state == net::RecordState::ready) return;
    owner::Entry* entry = entries_[position % net::kRingRecords];
    if (state == net::RecordState::claimed && entry != nullptr) entries.push_back(entry);
  }
}

void RingLink::replace(owner::Entry& entry, owner::Entry& by) {
  for (Straggler& each : stragglers_) {
    if (each.entry == &entry) each.entry = &by;
  }
  std::replace(entries_.begin(), entries_.end(), &entry, &by);
}

// Moves those at the front that run out of the way. Records are claimed in order, so none is behind one that waits.
void RingLink::pass_running() {
  while (ring_.outstanding() > 0 && ring_.state(ring_.front_position()) == net::RecordState::claimed) {
    const std::size_t index = ring_.front_position() % net::kRingRecords;
    const std::uint64_t block = blocks_.empty() ? kNoBlock : std::exchange(blocks_[index], kNoBlock);
    stragglers_.push_back({ring_.pass_front(), std::exchange(entries_[index], nullptr), block});
    (void)ring_.front_done();  // passes what was taken back
  }
}

owner::Entry* RingLink::pop_straggler(owner::Outcome& outcome) {
  const auto done = std::find_if(stragglers_.begin(), stragglers_.end(),
                                 [&](const Straggler& each) { return ring_.straggler_done(each.index); });
  if (done == stragglers_.end()) return nullptr;
  const Straggler straggler = *done;
  stragglers_.erase(done);
  outcome = decode(ring_.straggler(straggler.index));
  free_block(straggler.block);
  ring_.free_straggler(straggler.index);
  return straggler.entry;
}

bool RingLink::stop_looking() {
  if (in_order()) return ring_.stop_looking();
  pass_running();
  if (!ring_.stop_looking()) return false;
  // One that began meanwhile may hide a later one that is done: it is passed first.
  if (ring_.state(ring_.front_position()) == net::RecordState::claimed) return false;
  return std::none_of(stragglers_.begin(), stragglers_.end(),
                      [&](const Straggler& each) { return ring_.straggler_done(each.index); });
}

owner::Entry* RingLink::pop_finished(owner::Outcome& outcome) {
  for (;;) {
    if (!stragglers_.empty()) {
      if (owner::Entry* entry = pop_straggler(outcome)) return entry;
    }
    Record* record = ring_.front_done();
    if (record == nullptr) {
      if (in_order() || ring_.outstanding() == 0) return nullptr;
      const std::size_t before = stragglers_.size();
      pass_running();
      if (stragglers_.size() == before) return nullptr;
      continue;
    }
    const std::uint64_t position = ring_.front_position();
    owner::Entry* entry = entries_[position % net::kRingRecords];
    if (entry != nullptr) outcome = decode(*record);
    forget(position);
    ring_.free_front();
    if (entry != nullptr) return entry;
  }
}

owner::Outcome RingLink::decode(const Record& record) {
  owner::Outcome outcome;
  const bool framed = (record.flags & Record::kFramed) != 0;
  const bool parts = (record.flags & Record::kHasRefs) != 0;
  try {
    std::span<const std::byte> bytes;
    if (record.kind == PayloadKind::bytes) {
      auto payload = net::payload_of(record);
      if (!payload) throw_error(payload.error());
      bytes = *payload;
    } else if (record.kind == PayloadKind::block || record.kind == PayloadKind::stored) {
      auto block = net::block_of(record);
      if (!block) throw_error(block.error());
      if (record.kind == PayloadKind::stored) {
        outcome.value = owner::Value::at({block->arena, block->offset, block->size_bytes}, framed);
        return outcome;
      }
      const auto view = context_.arena_of(ends_.worker);
      if (!view) throw Error(ErrorCode::internal, "no view of the worker's memory");
      auto data = view->at(block->offset, block->size_bytes);
      if (!data) throw_error(data.error());
      bytes = {*data, block->size_bytes};
    } else if (record.kind != PayloadKind::none) {
      throw Error(ErrorCode::internal, "a result of unknown kind");
    }
    if (!parts) {
      outcome.value = owner::Value::copy_of(bytes, framed);
      return outcome;
    }
    outcome = outcome_of(decode_reply(bytes));
  } catch (const Error& error) {
    outcome = {};
    outcome.value = owner::Value::of(error.with_context("result of a task"));
  }
  return outcome;
}

}  // namespace manta::client
