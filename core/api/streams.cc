// The boundary of detail/stream_api.h, on the process' client.
#include <manta/detail/stream_api.h>

#include <cstring>
#include <memory>
#include <utility>

#include "core/client/client.h"
#include "core/client/retired.h"

namespace manta::detail {

using client::Client;
using client::Retired;

namespace {

owner::Entry& task_of(EntryHead* stream) { return *static_cast<owner::Entry*>(stream); }

// Of the present runtime, or of the one that the stream belongs to.
Client& client_of(EntryHead* stream) {
  Client* retired = Retired::client_of(stream);
  return retired != nullptr ? *retired : Client::require();
}

}  // namespace

StreamStep take_item(EntryHead* stream, StreamItem& item, Deadline deadline) {
  owner::IncomingStream::Item taken;
  const StreamStep step = client_of(stream).streams().take_item(task_of(stream), taken, false, deadline);
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
  const StreamStep step = client_of(stream).streams().take_item(task_of(stream), taken, true, deadline);
  item = taken.entry;
  return step;
}

bool stream_ready(EntryHead* stream) { return task_of(stream).extra->stream->ready.load(std::memory_order_acquire); }

void wait_streams(std::span<EntryHead* const> streams, std::size_t count, Deadline deadline) {
  if (!streams.empty()) Client::require().streams().await(streams, count, deadline);
}

void drop_stream(EntryHead* stream) noexcept {
  Client* client = Retired::client_of(stream);
  if (client == nullptr) client = Client::current();
  if (client != nullptr) client->streams().drop(task_of(stream));
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
