#include "core/worker/arguments.h"

#include <memory>
#include <utility>

#include "core/client/task_codec.h"

namespace manta::worker {

std::span<const std::byte> Arguments::read_block(const owner::StoredLocation& location,
                                                 client::TaskInput& input) const {
  using Keepalive = std::shared_ptr<const void>;
  Keepalive memory;
  auto data = client_->values().bytes_at(location, memory);
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
    owner::Entry* const entry = client_->references().import_argument(part.object);
    if (!entry->owned) {
      detail::retain(entry);
      context.imported.push_back(entry);
    }
    input.references.push_back(client_->values().view(part.location, part.framed, entry));
  }
}

std::vector<detail::WireRef> Arguments::release(client::TaskContext& context) const {
  if (context.imported.empty()) return {};
  std::vector<detail::WireRef> kept = client_->references().kept_after_task(context.imported);
  for (owner::Entry* entry : context.imported) detail::release(entry);
  return kept;
}

}  // namespace manta::worker
