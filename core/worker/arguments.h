// The arguments of tasks: values and references, wherever they lie, and which references a task keeps.
//
// Threading: any thread that runs a task. Ownership: the client must outlive it.
#pragma once

#include <span>
#include <vector>

#include "core/client/client.h"

namespace manta::worker {

class Arguments {
 public:
  void attach(client::Client& client) { client_ = &client; }

  // Bytes in another process' arena that its owner keeps until the reply. Throws Error.
  std::span<const std::byte> read_block(const owner::StoredLocation& location, client::TaskInput& input) const;
  // A list of parts: the values, then references.
  void read_parts(std::span<const std::byte> bytes, client::TaskContext& context, client::TaskInput& input) const;
  // The task has ended: of the references that it imported, those still held, which the reply must name.
  std::vector<detail::WireRef> release(client::TaskContext& context) const;

 private:
  client::Client* client_ = nullptr;
};

}  // namespace manta::worker
