#include "core/node/rings.h"

#include "core/net/shared_memory.h"
#include "core/net/task_ring.h"

namespace manta::node {

Result<void> Rings::grant(Connection& submitter, Connection& worker, net::Granted granted) {
  granted.worker_slot = worker.slot;
  if (!rings_.emplace(submitter.id, worker.id).second) {
    connections_.send(submitter, granted);
    return {};
  }
  auto ring = make(submitter, worker);
  if (!ring) return tl::unexpected<Error>(ring.error());
  granted.new_ring = true;
  const int descriptors[] = {ring->get(), worker.arena_for_readers.get()};
  connections_.send(submitter, granted, descriptors);
  return {};
}

void Rings::open_to_actor(Connection& caller, ClientId worker_id) {
  Connection* worker = connections_.find(worker_id);
  const net::RingTo answer{worker_id, worker != nullptr ? worker->slot : 0};
  const bool possible = worker != nullptr && !worker->driver && rings_.emplace(caller.id, worker_id).second;
  if (!possible) return connections_.send(caller, answer);
  auto ring = make(caller, *worker);
  if (!ring) return connections_.send(caller, answer);
  const int descriptors[] = {ring->get(), worker->arena_for_readers.get()};
  connections_.send(caller, answer, descriptors);
}

Result<Fd> Rings::make(Connection& submitter, Connection& worker) {
  const auto failed = [&](const Error& error) {
    rings_.erase({submitter.id, worker.id});
    return tl::unexpected<Error>(error);
  };
  auto ring = net::create_shared_memory("manta-ring", net::RingMemory::bytes());
  if (!ring) return failed(ring.error());
  auto memory = net::RingMemory::create(ring->get());
  if (!memory) return failed(memory.error());
  net::RingMemory::unmap(*memory);
  const int descriptors[] = {ring->get(), submitter.arena_for_readers.get()};
  connections_.send(worker, net::OpenRing{submitter.id, submitter.slot}, descriptors);
  return ring;
}

void Rings::close(ClientId submitter, ClientId worker) {
  rings_.erase({submitter, worker});
  if (Connection* connection = connections_.find(worker)) connections_.send(*connection, net::CloseRing{submitter});
}

void Rings::process_gone(ClientId client) {
  std::erase_if(rings_, [&](const auto& pair) { return pair.first == client || pair.second == client; });
}

}  // namespace manta::node
