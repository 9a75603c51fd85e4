// Messages and membership events from other nodes. Private to core/node.
#pragma once

#include <string>

#include "core/base/loop_thread.h"
#include "core/node/daemon.h"

namespace manta::node {

struct Daemon::Nodes final : ClusterEvents {
  explicit Nodes(Daemon& daemon) : d(daemon) {}

  // --- ClusterEvents
  void node_up(const net::NodeOfCluster& node) override;
  void node_down(NodeId node, const std::string& status) override;
  void client_up(ClientId client) override;
  void client_down(ClientId client, const std::string& status) override;
  void view_changed(const link::View& view) override;
  void clock_is(const link::ClockIs& answer) override { d.clock_.answered(answer); }
  void message(NodeId from, link::Message message) override;
  void head_gone(bool orderly, const std::string& why) override;

  // The head announces a death.
  void client_died(ClientId client, const std::string& status);
  void node_died(NodeId node, const std::string& status);
  // A message about placement groups, from the head or to it; others are left out.
  void group_message(NodeId from, const link::Message& message);

  [[no_unique_address]] LoopThread loop_thread;

 private:
  void from_client(NodeId from, const link::FromClient& m);
  void for_client(NodeId from, const link::ForClient& m);

  Daemon& d;
};

}  // namespace manta::node
