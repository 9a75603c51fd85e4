// A driver that is its own worker (MANTA_LOCAL=1).
//
// Threading: as client::Driver. Ownership: lives until the process ends (client::LocalRunner).
#pragma once

#include <string>
#include <vector>

#include "core/client/driver.h"
#include "core/worker/local_workers.h"

namespace manta::worker {

class LocalProgram final : public client::ProcessRole {
 public:
  // As Driver::shut_down. False: tasks still run in other threads and use the client, which must outlive them.
  bool shut_down();

  // --- ProcessRole
  std::string name(const net::Welcome& welcome) const override { return driver_.name(welcome); }
  void begin(client::Client& client) override;
  void receive(net::NodeMessage& message, std::vector<Fd>& descriptors) override {
    driver_.receive(message, descriptors);
  }
  bool receive(ClientId from, net::PeerPacket& packet) override { return workers_.receive(from, packet); }
  void client_died(ClientId client) override { driver_.client_died(client); }
  void node_died(NodeId node) override { driver_.node_died(node); }
  void connection_ended() override;

 private:
  client::Driver driver_;
  LocalWorkers workers_;
};

}  // namespace manta::worker
