// What a process that called init() has besides: the output of its workers, and the end of its run.
//
// Threading: shut_down() in the thread that ends the runtime; the rest as ProcessRole. Ownership: the client must
// outlive the calls.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/client/process_role.h"
#include "core/observe/output_printer.h"

namespace manta::client {

class Driver final : public ProcessRole {
 public:
  Driver();
  ~Driver() override;

  // What failed unread is said, actors end, what was printed before is shown, the timeline is written; then the node
  // ends everything, and so does the connection.
  void shut_down();

  // --- ProcessRole
  std::string name(const net::Welcome& welcome) const override;
  void begin(Client& client) override;
  void receive(net::NodeMessage& message, std::vector<Fd>& descriptors) override;
  bool receive(ClientId, net::PeerPacket&) override { return false; }  // a driver runs no tasks for others
  void client_died(ClientId) override {}
  void node_died(NodeId node) override;
  void connection_ended() override;

 private:
  void end_output();
  void await_timelines();

  Client* client_ = nullptr;
  std::unique_ptr<observe::OutputPrinter> printer_;  // if workers' output comes here
};

}  // namespace manta::client
