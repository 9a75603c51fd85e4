// The node of a program that runs everything in itself (MANTA_LOCAL): a thread at the other end of the program's
// control socket.
//
// It grants every demand at once, as many leases as are wanted, whatever resources they ask for. The worker of a lease
// is an id: the program runs its tasks itself (worker/local_workers.h). Names, placement groups and ends of leases are
// as on other nodes. There are no other processes: nothing is replicated, and none spills for another.
//
// Threading: a thread of its own. Ownership: owns the socket; its thread ends when the other end is closed.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <thread>

#include "core/base/fd.h"
#include "core/net/control_socket.h"
#include "core/net/messages.h"
#include "core/node/node_config.h"

namespace manta::node {

class LocalNode {
 public:
  // Sends the welcome. Throws Error.
  LocalNode(NodeConfig config, net::ControlSocket program);
  // Blocks until the program has closed its end.
  ~LocalNode();
  LocalNode(const LocalNode&) = delete;
  LocalNode& operator=(const LocalNode&) = delete;

 private:
  struct Lease {
    std::uint32_t shape = 0;
    ClientId worker;
    std::uint64_t group = 0;  // a bundle's; 0: none
  };

  void welcome();
  void run();
  // False: the program ends.
  bool receive(net::ClientMessage message);
  struct Demand {
    std::uint32_t wanted = 0;
    std::uint64_t group = 0;
  };

  void meet(std::uint32_t shape);
  void grant(std::uint32_t shape, std::uint64_t group);
  void lease_returned(LeaseId lease);
  void end_lease(LeaseId lease, const std::string& status);
  void make_name(const net::RegisterName& message);
  void remove_group(std::uint64_t group);
  void send(const net::NodeMessage& message, std::span<const int> descriptors = {});

  const NodeConfig config_;
  net::ControlSocket program_;
  Fd arena_;                                 // the program's, for reading
  std::uint64_t last_number_ = 1;            // of clients, leases, groups; 1 is the program
  std::map<std::uint32_t, Demand> demands_;  // by shape; of more than none
  std::map<LeaseId, Lease> leases_;
  std::map<std::string, net::Named> names_;
  std::set<std::uint64_t> groups_;
  std::thread thread_;
};

}  // namespace manta::node
