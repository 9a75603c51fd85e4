#include "core/client/stream_reader.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace manta::client {

using detail::StreamStep;
using Taken = owner::Streams::Taken;

namespace {

const owner::IncomingStream& stream_of(const owner::Entry& task) {
  return *task.extra->stream;  // until it is dropped
}

}  // namespace

bool StreamReader::await(std::span<detail::EntryHead* const> tasks, std::size_t count, detail::Deadline deadline) {
  std::vector<const owner::IncomingStream*> streams;
  const auto ready = [](const owner::IncomingStream* s) { return s->ready.load(std::memory_order_acquire); };
  {
    const OwnerLock guard(state_);
    results_.drain();
    for (detail::EntryHead* task : tasks) {
      auto& entry = *static_cast<owner::Entry*>(task);
      streams.push_back(&stream_of(entry));
      if (!ready(streams.back())) state_.owner->tasks().want(entry);
    }
  }
  count = std::min(count, streams.size());
  const auto enough = [&] {
    return static_cast<std::size_t>(std::count_if(streams.begin(), streams.end(), ready)) >= count;
  };
  return waits_.wait_for(enough, deadline);
}

StreamStep StreamReader::take_item(owner::Entry& task, owner::IncomingStream::Item& item, bool as_object,
                                   detail::Deadline deadline) {
  for (bool waited = false;;) {
    {
      const OwnerLock guard(state_);
      const Taken taken = state_.owner->streams().take_item(task, item);
      if (taken == Taken::item) {
        if (as_object) item.entry = state_.owner->streams().item_object(task, std::move(item));
        return StreamStep::item;
      }
      if (taken == Taken::ended) {
        if (task.value.failed()) throw_error(task.value.error());
        return StreamStep::ended;
      }
      if (waited) return StreamStep::open;
    }
    detail::EntryHead* head = &task;
    waited = !await({&head, 1}, 1, deadline);
  }
}

void StreamReader::drop(owner::Entry& task) {
  const OwnerLock guard(state_);
  state_.owner->streams().drop(task);
}

}  // namespace manta::client
