#include "core/testing/sim_doubt.h"

#include <algorithm>
#include <vector>

#include "core/testing/sim_process.h"
#include "core/testing/sim_world.h"

namespace manta::sim {

namespace {

bool has(const std::vector<Variable>& variables, const ObjectKey& key) {
  return std::any_of(variables.begin(), variables.end(), [&](const Variable& v) { return v.key == key; });
}

// Clients that borrow the object from `from` and that the owner does not know yet: the messages are under way.
std::vector<ClientId> unannounced(const World& world, ClientId from, const ObjectKey& key) {
  std::vector<ClientId> clients;
  world.network.for_each([&](Address, Address, const Message& message) {
    const auto* peer = std::get_if<message::Peer>(&message);
    if (peer == nullptr || peer->from != from || original(peer->to) != key.owner) return;
    const auto* borrower = std::get_if<owner::AddBorrower>(&peer->message);
    if (borrower != nullptr && borrower->object == key.id) clients.push_back(borrower->client);
  });
  return clients;
}

}  // namespace

void doubt(World& world, ClientId holder, const ObjectKey& key) {
  if (holder == key.owner || world.oracle.unsure(holder, key.id)) return;
  world.oracle.make_unsure(holder, key.id);
  for (const ClientId client : unannounced(world, holder, key)) doubt(world, client, key);
  for (const auto& [id, process] : world.processes) {
    if (!process->alive()) continue;
    const RingRecord* running = process->executor().running();
    if (running == nullptr || process->executor().submitter() != holder) continue;
    if (has(process->executor().imported(), key)) doubt(world, id, key);
  }
}

void doubt_what_it_covered(World& world, const SimProcess& dead) {
  for (const std::shared_ptr<SimRing>& ring : dead.all_rings_out()) {
    SimProcess* worker = world.find(ring->worker);
    if (worker == nullptr || !worker->alive()) continue;
    ring->for_each_open([&](const RingRecord& record) {
      if (record.state == RingRecord::State::claimed) {
        if (worker->executor().running() != &record) return;
        for (const Variable& v : worker->executor().imported()) doubt(world, ring->worker, v.key);
        return;
      }
      for (const detail::WireRef& ref : record.kept) {
        doubt(world, ring->worker, key_of(ref));
        world.oracle.tolerate_leak(key_of(ref));  // what the worker gives back was never announced
      }
    });
  }
  // Across machines a death may be known before the last words of the dead.
  std::vector<std::pair<ClientId, ObjectKey>> overtaken;
  world.network.for_each([&](Address, Address, const Message& message) {
    const auto* peer = std::get_if<message::Peer>(&message);
    if (peer == nullptr || peer->from != dead.id() || node_of(peer->to) == node_of(dead.id())) return;
    const auto* borrower = std::get_if<owner::AddBorrower>(&peer->message);
    if (borrower != nullptr) overtaken.push_back({borrower->client, {original(peer->to), borrower->object}});
  });
  for (const auto& [client, key] : overtaken) doubt(world, client, key);
}

void doubt_what_travels_far(World& world, ClientId dead) {
  std::vector<std::pair<ClientId, ObjectKey>> underway;
  world.network.for_each([&](Address, Address, const Message& message) {
    const auto* peer = std::get_if<message::Peer>(&message);
    if (peer == nullptr || node_of(peer->from) == node_of(peer->to)) return;
    const auto* fetched = std::get_if<owner::Fetched>(&peer->message);
    if (fetched == nullptr) return;
    for (const detail::WireRef& ref : fetched->contained) {
      if (original(ref.owner) == dead) underway.push_back({peer->to, key_of(ref)});
    }
  });
  for (const auto& [client, key] : underway) doubt(world, client, key);
}

void doubt_what_was_lost(World& world, const Message& message) {
  if (const auto* mail = std::get_if<message::Mail>(&message)) {
    world.oracle.tolerate_leak(key_of(mail->ref));
    return;
  }
  const auto* peer = std::get_if<message::Peer>(&message);
  if (peer == nullptr) return;
  if (const auto* fetched = std::get_if<owner::Fetched>(&peer->message)) {
    for (const detail::WireRef& ref : fetched->contained) world.oracle.tolerate_leak(key_of(ref));
  } else if (const auto* borrower = std::get_if<owner::AddBorrower>(&peer->message)) {
    const ObjectKey key{original(peer->to), borrower->object};
    doubt(world, borrower->client, key);
    world.oracle.tolerate_leak(key);  // what it gives back will never be made good
  }
}

}  // namespace manta::sim
