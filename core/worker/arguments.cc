#include "core/worker/arguments.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "core/client/task_codec.h"

namespace manta::worker {

std::span<const std::byte> Arguments::read_block(const owner::StoredLocation& location,
                                                 client::TaskInput& input) const {
  using Keepalive = std::shared_ptr<const void>;
  Keepalive memory;
  auto data = client_->stored_bytes(location, memory);
  if (!data) throw_error(data.error());
  // The arguments may lie in one block, and name another that holds the values.
  input.keepalive =
      input.keepalive ? std::make_shared<std::pair<Keepalive, Keepalive>>(input.keepalive, memory) : memory;
  return {*data, location.size_bytes};
}

void Arguments::read_parts(std::span<const std::byte> bytes, client::TaskContext& context,
                           client::TaskInput& input) const {
  const client::RequestPart values = client::take_part(bytes);
  if (values.stored) {
    input.values = {read_block(values.location, input), values.framed, nullptr};
  } else {
    input.values = {values.bytes, values.framed, nullptr};
  }
  while (!bytes.empty()) {
    const client::RequestPart part = client::take_part(bytes);
    if (!part.stored) {
      if (part.label)
        input.label.assign(reinterpret_cast<const char*>(part.bytes.data()), part.bytes.size());
      else
        input.references.push_back({part.bytes, part.framed, nullptr});
      continue;
    }
    owner::Entry* entry = nullptr;
    {
      const MutexLock guard(client_->lock());
      entry = client_->owner().borrowing().import(part.object, false);
    }
    if (!entry->owned) {
      detail::retain(entry);
      context.imported.push_back(entry);
    }
    input.references.push_back(client_->view_stored(part.location, part.framed, entry));
  }
}

std::vector<detail::WireRef> Arguments::release(client::TaskContext& context) const {
  std::vector<detail::WireRef> kept;
  if (context.imported.empty()) return kept;
  {
    const MutexLock guard(client_->lock());
    std::sort(context.imported.begin(), context.imported.end());
    std::vector<owner::Entry*> once = context.imported;
    once.erase(std::unique(once.begin(), once.end()), once.end());
    // Each entry is held as often as it was imported. One hold of it stays, so that the count shows whether it is kept.
    for (std::size_t i = 1; i < context.imported.size(); ++i) {
      if (context.imported[i] == context.imported[i - 1]) context.imported[i]->refs.fetch_sub(1);
    }
    context.imported = once;
    kept = client_->owner().borrowing().kept_after_task(once);
  }
  for (owner::Entry* entry : context.imported) detail::release(entry);
  return kept;
}

}  // namespace manta::worker
