#include "core/worker/ring_task.h"

#include <cstring>
#include <utility>

#include "core/client/task_codec.h"
#include "core/net/error_codec.h"

namespace manta::worker {

using net::PayloadKind;
using net::Record;

void RingTask::read(client::TaskContext& context, client::TaskInput& input) {
  const Record& record = *record_;
  input.function.value = record.function;
  input.ref_mask = record.ref_mask;
  input.attempt = record.attempt;
  const bool framed = (record.flags & Record::kFramed) != 0;
  std::span<const std::byte> bytes;
  if (record.kind == PayloadKind::bytes) {
    auto payload = net::payload_of(record);
    if (!payload) throw_error(payload.error());
    bytes = *payload;
  } else if (record.kind == PayloadKind::block) {
    auto block = net::block_of(record);
    if (!block) throw_error(block.error());
    bytes = arguments_.read_block({block->arena, block->offset, block->size_bytes}, input);
  } else if (record.kind != PayloadKind::none) {
    throw Error(ErrorCode::internal, "a task of unknown kind");
  }
  if ((record.flags & Record::kHasRefs) == 0) {
    input.values = {bytes, framed, nullptr};
    return;
  }
  arguments_.read_parts(bytes, context, input);
}

std::uint32_t RingTask::concurrency() const { return ring_->memory->concurrency.load(std::memory_order_relaxed); }

void RingTask::not_constructed() { ring_->memory->concurrency.store(1, std::memory_order_relaxed); }

void RingTask::drop() { ring_->ring.finish(*record_, true); }

void RingTask::reply(Ended& ended, std::vector<detail::WireRef> kept) {
  const auto start_reply = [&] {
    client::ReplyParts parts;
    parts.kept = kept;
    parts.streamed = ended.items.has_value();
    parts.items = ended.items.value_or(0);
    return parts;
  };
  try {
    if (!ended.ok) {
      client::ReplyParts parts = start_reply();
      parts.user_exception = ended.user_exception;
      write_error(*ended.error, std::move(parts));
    } else if (ended.result.refs().empty() && kept.empty() && !ended.items) {
      write_value(ended.result);
    } else {
      client::ReplyParts parts = start_reply();
      parts.value = client::reply_value(client_.store().make_value(ended.result, client::kStoredFromBytes));
      parts.contained = client_.references().export_to(ended.result.refs(), head().submitter);  // EXEC-2
      write_parts(std::move(parts));
    }
  } catch (const Error& failed) {
    write_error(failed.with_context("result of a task"), start_reply());
  }
  rings_.finish(*ring_, *record_, block_);
}

void RingTask::write_value(const serial::Writer& result) {
  Record& record = *record_;
  const std::size_t size = result.encoded_size();
  record.flags = result.framed() ? Record::kFramed : 0;
  if (size <= Record::kPayloadBytes) {
    record.kind = PayloadKind::bytes;
    record.size_bytes = static_cast<std::uint32_t>(size);
    result.encode_into(record.payload);
  } else if (size <= client::kStoredFromBytes) {
    if (!write_block(size, [&](std::byte* to) { result.encode_into(to); })) {
      throw Error(ErrorCode::exhausted,
                  "no space in the node's store for a result of " + std::to_string(size) + " bytes");
    }
  } else {
    const owner::Value value = client_.store().make_value(result, 0);
    const net::BlockRef ref{value.stored().arena, value.stored().offset, value.stored().size_bytes};
    record.kind = PayloadKind::stored;
    record.size_bytes = sizeof ref;
    std::memcpy(record.payload, &ref, sizeof ref);
  }
}

bool RingTask::write_block(std::size_t size, const std::function<void(std::byte*)>& fill) {
  const auto made = client_.store().allocate(size);
  if (!made) return false;
  const store::Block& block = *made;
  fill(block.data);
  block_ = block.offset;
  Record& record = *record_;
  const net::BlockRef ref{client_.self(), block.offset, size};
  record.kind = PayloadKind::block;
  record.size_bytes = sizeof ref;
  std::memcpy(record.payload, &ref, sizeof ref);
  return true;
}

void RingTask::write_parts(client::ReplyParts parts) {
  Record& record = *record_;
  std::vector<std::byte> bytes = client::encode(parts);
  record.flags = Record::kHasRefs;
  if (bytes.size() > Record::kPayloadBytes &&
      write_block(bytes.size(), [&](std::byte* to) { std::memcpy(to, bytes.data(), bytes.size()); })) {
    return;
  }
  if (bytes.size() > Record::kPayloadBytes) {  // the store is full: what still fits is the kind of the error
    client::ReplyParts less;
    less.failed = true;
    less.error.code = static_cast<std::uint8_t>(ErrorCode::exhausted);
    less.error.message = "the node's store is full";
    bytes = client::encode(less);
  }
  record.kind = PayloadKind::bytes;
  record.size_bytes = static_cast<std::uint32_t>(bytes.size());
  std::memcpy(record.payload, bytes.data(), bytes.size());
}

void RingTask::write_error(const Error& error, client::ReplyParts parts) {
  parts.failed = true;
  parts.error = net::to_wire(error);
  write_parts(std::move(parts));
}

}  // namespace manta::worker
