#include "core/node/link_mover.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "core/net/shared_memory.h"

namespace manta::node {

LinkMover::~LinkMover() {
  for (const auto& [id, pull] : incoming_) net::unmap_memory(pull.base, pull.size_bytes);
}

void LinkMover::pull(ClientId client, std::uint64_t id, const owner::StoredLocation& location) {
  loop_thread_.assert_current();
  const NodeId from = node_of(location.arena);
  if (const auto lost = lost_.find(from); lost != lost_.end()) {
    return effects_.pulled(client, id, "it was on " + lost->second, -1);
  }
  Incoming pull{client, id, from, Fd(), nullptr, location.size_bytes, 0};
  auto memory = net::create_shared_memory("manta-copy", location.size_bytes);
  auto base = memory ? net::map_memory(memory->get(), location.size_bytes, net::Mapping::shared)
                     : tl::unexpected<Error>(memory.error());
  if (!base) return effects_.pulled(client, id, "there is no memory here for a copy: " + base.error().message(), -1);
  pull.memory = std::move(*memory);
  pull.base = *base;
  const std::uint64_t own = next_++;
  incoming_.emplace(own, std::move(pull));
  effects_.to_node(from, link::Pull{own, location});
}

void LinkMover::end(Map::iterator it, const std::string& why) {
  const Incoming pull = std::move(it->second);
  incoming_.erase(it);
  net::unmap_memory(pull.base, pull.size_bytes);
  effects_.pulled(pull.client, pull.id, why, why.empty() ? pull.memory.get() : -1);
}

void LinkMover::client_left(ClientId client) {
  loop_thread_.assert_current();
  for (auto it = incoming_.begin(); it != incoming_.end();) {
    const auto next = std::next(it);
    if (it->second.client == client) end(it, "the reader is gone");
    it = next;
  }
}

void LinkMover::node_left(NodeId node, const std::string& status) {
  loop_thread_.assert_current();
  lost_[node] = status;
  std::erase_if(outgoing_, [&](const auto& out) { return out.first.first == node; });
  queues_.erase(node);
  for (auto it = incoming_.begin(); it != incoming_.end();) {
    const auto next = std::next(it);
    if (it->second.from == node) end(it, "it was on " + status);
    it = next;
  }
}

void LinkMover::chunk(NodeId from, std::uint64_t id, std::span<const std::byte> bytes) {
  loop_thread_.assert_current();
  effects_.to_node(from, link::PullMore{id});  // also if no process waits for the block any more: its place is free
  const auto it = incoming_.find(id);
  if (it == incoming_.end() || it->second.from != from) return;
  Incoming& pull = it->second;
  if (bytes.size() > pull.size_bytes - pull.received) return end(it, "its node sent more than it has");
  std::memcpy(pull.base + pull.received, bytes.data(), bytes.size());
  pull.received += bytes.size();
  if (pull.received == pull.size_bytes) end(it, "");
}

void LinkMover::failed(NodeId from, std::uint64_t id, const std::string& why) {
  loop_thread_.assert_current();
  const auto it = incoming_.find(id);
  if (it != incoming_.end() && it->second.from == from) end(it, why.empty() ? "its node does not say why" : why);
}

void LinkMover::serve(NodeId from, std::uint64_t id, const owner::StoredLocation& location) {
  loop_thread_.assert_current();
  const int memory = effects_.arena(location.arena);
  if (memory < 0) {
    return effects_.to_node(from, link::PullFailed{id, "the process that held it is unknown to its node"});
  }
  auto view = store::ArenaView::open(Fd(::dup(memory)));
  auto data = view ? (*view)->at(location.offset, location.size_bytes) : tl::unexpected<Error>(view.error());
  if (!data) return effects_.to_node(from, link::PullFailed{id, data.error().message()});
  if (location.size_bytes == 0) return effects_.to_node(from, link::Chunk{id, {}});
  if (!outgoing_.try_emplace({from, id}, Outgoing{*view, *data, location.size_bytes, false}).second) return;
  queues_[from].waiting.push_back(id);
  start_next(from);
}

void LinkMover::start_next(NodeId to) {
  Queue& queue = queues_[to];
  while (queue.started < kAtOnce && !queue.waiting.empty()) {
    const std::uint64_t id = queue.waiting.front();
    queue.waiting.pop_front();
    const auto it = outgoing_.find({to, id});
    if (it == outgoing_.end()) continue;
    it->second.started = true;
    ++queue.started;
    for (std::size_t n = 0; n < kWindow; ++n) send_chunk(to, id);
  }
}

void LinkMover::more(NodeId from, std::uint64_t id) {
  loop_thread_.assert_current();
  const auto it = outgoing_.find({from, id});
  if (it == outgoing_.end() || it->second.under_way == 0) return;
  --it->second.under_way;
  send_chunk(from, id);
  if (it->second.left > 0 || it->second.under_way > 0) return;
  outgoing_.erase(it);
  --queues_[from].started;
  start_next(from);
}

void LinkMover::send_chunk(NodeId to, std::uint64_t id) {
  const auto it = outgoing_.find({to, id});
  if (it == outgoing_.end() || !it->second.started || it->second.left == 0) return;
  Outgoing& out = it->second;
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(out.left, kChunkBytes));
  link::Chunk chunk{id, {out.next, out.next + size}};
  out.next += size;
  out.left -= size;
  ++out.under_way;
  effects_.to_node(to, chunk);
}

}  // namespace manta::node
