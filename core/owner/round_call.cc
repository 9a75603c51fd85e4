#include "core/owner/round_call.h"

namespace manta::owner {

void RoundCall::start(ClientId standby, std::uint32_t round, const std::vector<ClientId>& clients,
                      const std::vector<NodeId>& others) {
  calls_[standby] = {round, NodeId{}, {clients.begin(), clients.end()}, {others.begin(), others.end()}};
  for (const NodeId node : others) edge_.ask_node(node, standby, round);
  for (const ClientId client : clients) edge_.ask_client(client, standby, round);
  end_if_over(standby);
}

void RoundCall::asked(NodeId by, ClientId standby, std::uint32_t round, const std::vector<ClientId>& clients) {
  calls_[standby] = {round, by, {clients.begin(), clients.end()}, {}};
  for (const ClientId client : clients) edge_.ask_client(client, standby, round);
  end_if_over(standby);
}

void RoundCall::client_answered(ClientId client, ClientId standby, std::uint32_t round) {
  const auto it = calls_.find(standby);
  if (it == calls_.end() || it->second.round != round) return;
  it->second.clients.erase(client);
  end_if_over(standby);
}

void RoundCall::node_answered(NodeId node, ClientId standby, std::uint32_t round) {
  const auto it = calls_.find(standby);
  if (it == calls_.end() || it->second.round != round) return;
  it->second.nodes.erase(node);
  end_if_over(standby);
}

void RoundCall::client_gone(ClientId client) {
  std::vector<ClientId> touched;
  for (auto& [standby, call] : calls_) {
    if (call.clients.erase(client) > 0) touched.push_back(standby);
  }
  for (const ClientId standby : touched) end_if_over(standby);
}

void RoundCall::node_gone(NodeId node) {
  std::erase_if(calls_, [&](const auto& call) { return call.second.by == node; });
  std::vector<ClientId> touched;
  for (auto& [standby, call] : calls_) {
    if (call.nodes.erase(node) > 0) touched.push_back(standby);
  }
  for (const ClientId standby : touched) end_if_over(standby);
}

void RoundCall::end_if_over(ClientId standby) {
  const auto it = calls_.find(standby);
  if (it == calls_.end() || !it->second.clients.empty() || !it->second.nodes.empty()) return;
  const Call call = std::move(it->second);
  calls_.erase(it);
  !call.by ? edge_.over(standby, call.round) : edge_.answer_node(call.by, standby, call.round);
}

}  // namespace manta::owner
