// Streams that this process reads (detail/stream_api.h): waiting for items, and taking them.
#include <manta/detail/stream_api.h>

#include <algorithm>
#include <cstring>

#include "core/client/client.h"
#include "core/client/retired.h"

namespace manta::client {

using detail::StreamItem;
using detail::StreamStep;
using Taken = owner::Streams::Taken;

namespace {

const owner::IncomingStream& stream_of(const owner::Entry& task) {
  return *task.extra->stream;  // until it is dropped
}

}  // namespace

bool Client::await_streams(std::span<detail::EntryHead* const> tasks, std::size_t count, detail::Deadline deadline) {
  std::vector<const owner::IncomingStream*> streams;
  const auto ready = [](const owner::IncomingStream* s) { return s->ready.load(std::memory_order_acquire); };
  {
    const MutexLock guard(mutex_);
    drain();
    for (detail::EntryHead* task : tasks) {
      auto& entry = *static_cast<owner::Entry*>(task);
      streams.push_back(&stream_of(entry));
      if (!ready(streams.back())) owner_->tasks().want(entry);
    }
  }
  count = std::min(count, streams.size());
  const auto enough = [&] {
    return static_cast<std::size_t>(std::count_if(streams.begin(), streams.end(), ready)) >= count;
  };
  return wait_for(enough, deadline);
}

StreamStep Client::take_item(owner::Entry& task, owner::IncomingStream::Item& item, bool as_object,
                             detail::Deadline deadline) {
  for (bool waited = false;;) {
    {
      const MutexLock guard(mutex_);
      const Taken taken = owner_->streams().take_item(task, item);
      if (taken == Taken::item) {
        if (as_object) item.entry = owner_->streams().item_object(task, std::move(item));
        return StreamStep::item;
      }
      if (taken == Taken::ended) {
        if (task.value.failed()) throw_error(task.value.error());
        return StreamStep::ended;
      }
      if (waited) return StreamStep::open;
    }
    detail::EntryHead* head = &task;
    waited = !await_streams({&head, 1}, 1, deadline);
  }
}

void Client::drop_stream(owner::Entry& task) {
  const MutexLock guard(mutex_);
  owner_->streams().drop(task);
}

}  // namespace manta::client

namespace manta::detail {

using client::Client;
using client::Retired;

namespace {

owner::Entry& entry_of(EntryHead* head) { return *static_cast<owner::Entry*>(head); }

// Of the present runtime, or of the one that the stream belongs to.
Client& client_of(EntryHead* stream) {
  Client* retired = Retired::client_of(stream);
  return retired != nullptr ? *retired : Client::require();
}

}  // namespace

StreamStep take_item(EntryHead* stream, StreamItem& item, Deadline deadline) {
  owner::IncomingStream::Item taken;
  const StreamStep step = client_of(stream).take_item(entry_of(stream), taken, false, deadline);
  if (step != StreamStep::item) return step;
  if (taken.entry != nullptr) {
    item.entry = taken.entry;
    item.view = read_value(taken.entry);
    return step;
  }
  const std::span<const std::byte> bytes = taken.value.bytes();
  item.view.framed = taken.value.framed();
  if (taken.value.kind() == owner::Value::Kind::heap) {
    auto keep = std::make_shared<owner::Value>(std::move(taken.value));
    item.view.bytes = keep->bytes();
    item.view.keepalive = std::move(keep);
  } else {
    static_assert(StreamItem::kInlineBytes >= owner::Value::kInlineBytes);
    if (!bytes.empty()) std::memcpy(item.bytes, bytes.data(), bytes.size());
    item.view.bytes = {item.bytes, bytes.size()};
  }
  return step;
}

StreamStep take_item_ref(EntryHead* stream, EntryHead*& item, Deadline deadline) {
  owner::IncomingStream::Item taken;
  const StreamStep step = client_of(stream).take_item(entry_of(stream), taken, true, deadline);
  item = taken.entry;
  return step;
}

bool stream_ready(EntryHead* stream) {
  return client::stream_of(entry_of(stream)).ready.load(std::memory_order_acquire);
}

void wait_streams(std::span<EntryHead* const> streams, std::size_t count, Deadline deadline) {
  if (!streams.empty()) Client::require().await_streams(streams, count, deadline);
}

void drop_stream(EntryHead* stream) noexcept {
  Client* client = Retired::client_of(stream);
  if (client == nullptr) client = Client::current();
  if (client != nullptr) client->drop_stream(entry_of(stream));
  release(stream);
}

void throw_empty_stream() {
  throw Error(ErrorCode::invalid_argument, "an empty Stream was used: it was default-constructed or moved from");
}

void throw_stream_deadline() {
  throw Error(ErrorCode::deadline,
              "the time given to next() was over before an item was there; it may be asked for again");
}

}  // namespace manta::detail
