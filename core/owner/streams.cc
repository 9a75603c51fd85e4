#include "core/owner/streams.h"

#include <utility>

#include "core/owner/stream_items.h"

namespace manta::owner {

void Streams::update_ready(Entry& task) {
  IncomingStream& stream = *task.extra->stream;
  const bool ended = task.phase == Phase::resolved && stream.received >= stream.total.value_or(0);  // STREAM-3
  stream.ready.store(!stream.items.empty() || ended, std::memory_order_release);
}

Streams::Taken Streams::take_item(Entry& task, IncomingStream::Item& item) {
  IncomingStream& stream = *task.extra->stream;
  if (stream.items.empty()) return stream.ready.load(std::memory_order_relaxed) ? Taken::ended : Taken::open;
  item = std::move(stream.items.front());
  stream.items.pop_front();
  ++stream.taken;
  if (stream.items.empty()) update_ready(task);
  if (stream.owes_credit() && stream.producer && task.phase != Phase::resolved) grant_credit(task);
  return Taken::item;
}

Entry* Streams::item_object(Entry& task, IncomingStream::Item item) {
  if (item.entry != nullptr) return item.entry;
  return make_item(task.id.item(task.extra->stream->taken - 1), std::move(item.value), {});
}

// With one reference for the caller.
Entry* Streams::make_item(ObjectId id, Value value, std::vector<Entry*> contained) {
  Entry& entry = objects_.make(id, 1);
  if (!contained.empty()) entry.more().contained = std::move(contained);
  objects_.resolve(entry, std::move(value));
  return &entry;
}

void Streams::grant_credit(Entry& task) {
  IncomingStream& stream = *task.extra->stream;
  stream.limit = stream.taken + stream.buffer;
  effects_.send(stream.producer, StreamCredit{task.id, stream.limit});
}

void Streams::end_early(Entry& task) {
  IncomingStream* stream = task.extra->stream.get();
  if (stream == nullptr) return;
  stream->total = stream->received;
  if (stream->producer && !deaths_.contains(stream->producer)) effects_.send(stream->producer, StreamStop{task.id});
}

void Streams::drop(Entry& task) {
  const std::unique_ptr<IncomingStream> stream = std::move(task.extra->stream);
  std::vector<Entry*> held;
  for (IncomingStream::Item& item : stream->items) {
    if (item.entry != nullptr) held.push_back(item.entry);
  }
  objects_.hold(task);
  if (task.phase != Phase::resolved) {
    task.max_retries = 0;
    const bool not_pushed = task.phase == Phase::waiting || task.phase == Phase::queued;
    if (not_pushed) context_.fail(task, Error(ErrorCode::cancelled, "the stream is not read any more"));
    if (!not_pushed && stream->producer && !deaths_.contains(stream->producer)) {
      effects_.send(stream->producer, StreamStop{task.id});
    }
  }
  objects_.drop_holds(held);
  objects_.unhold(task);
}

void Streams::receive(ClientId from, const StreamItems& items) {
  if (deaths_.contains(from)) return;
  Entry* task = objects_.table().find(items.stream);
  IncomingStream* stream = task != nullptr && task->extra ? task->extra->stream.get() : nullptr;
  if (stream == nullptr) effects_.send(from, StreamStop{items.stream});  // STREAM-4
  const bool stale = stream == nullptr || items.attempt < stream->attempt || items.first > stream->received;
  if (!stale) {
    const bool another = stream->producer != from || stream->attempt != items.attempt;
    stream->producer = from;
    stream->attempt = items.attempt;
    // It knows of its first items only.
    if (another && stream->buffer != 0 && stream->taken > 0 && task->phase != Phase::resolved) grant_credit(*task);
  }
  std::uint64_t index = items.first;
  const std::uint64_t end = stream != nullptr ? stream->total.value_or(~std::uint64_t{0}) : 0;
  const auto wanted = [&] { return !stale && index++ == stream->received && stream->received < end; };  // STREAM-1, 3
  std::span<const std::byte> run(items.small);
  while (!run.empty()) {
    bool framed = false;
    const std::span<const std::byte> bytes = owner::take_item(run, framed);
    if (!wanted()) continue;
    stream->items.push_back({Value::copy_of(bytes, framed), nullptr});
    ++stream->received;
  }
  for (const StreamItems::Object& object : items.objects) {
    std::vector<Entry*> inside;
    for (const detail::WireRef& ref : object.contained) {
      inside.push_back(context_.import(ref, true));
      if (from == objects_.self() && inside.back()->owned) context_.add_borrower(*inside.back(), objects_.self(), -1);
    }
    Entry* made = make_item(items.stream.item(index), object.value.clone(), std::move(inside));
    if (wanted()) {
      stream->items.push_back({Value(), made});
      ++stream->received;
    } else {
      objects_.unhold(*made);
    }
  }
  if (stale) return;
  const bool was_ready = stream->ready.load(std::memory_order_relaxed);
  update_ready(*task);
  if (!was_ready && stream->ready.load(std::memory_order_relaxed)) effects_.resolved(*task);
}

}  // namespace manta::owner
