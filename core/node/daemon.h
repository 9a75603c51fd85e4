// The node process: the services of one node, and on the driver's node the head, on one loop. It owns the workers, the
// store's memory and the clean-up; it carries no task, and no object between processes of its own node. A node is
// always one of a cluster, if only of itself.
//
//   NODE-1  when the driver exits for any reason, all processes below this one are killed, and then this one ends
//   NODE-2  a dead process is announced after everything that it sent was delivered
//   NODE-4  it is the child of a guard, a process that only waits for its end: after kill -9 of the node process the
//           guard ends what user code of the workers has left (workers themselves die by parent-death signal), and
//           after kill -9 of the guard the node process does
//
// The services, each with its own header: Connections (processes and their sockets), Workers (their start and end),
// Placement and Rings (what runs where), Failover and DeadArenas (what dead processes leave), LinkMover (objects of
// other nodes), Outputs (what workers print), MemoryWatch, WaitAnswers, HeadService. They know each other by the
// interfaces in those headers. Daemon wires them, takes the messages of processes, and ends everything; Daemon::Nodes
// takes the messages of other nodes.
//
// Threading: one thread; run() returns when everything below has ended. Ownership: owns the services.
#pragma once

#include <chrono>
#include <list>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "core/node/back_pressure.h"
#include "core/node/clock_sync.h"
#include "core/node/cluster.h"
#include "core/node/connections.h"
#include "core/node/dead_arenas.h"
#include "core/node/death_notices.h"
#include "core/node/failover.h"
#include "core/node/head_service.h"
#include "core/node/link_mover.h"
#include "core/node/memory_watch.h"
#include "core/node/node_config.h"
#include "core/node/outputs.h"
#include "core/node/placement.h"
#include "core/node/rings.h"
#include "core/node/space_requests.h"
#include "core/node/wait_answers.h"
#include "core/node/workers.h"

namespace manta::node {

class Daemon final : ConnectionEvents, WorkerEvents {
 public:
  // The spawner has started. driver: this end of the driver's socket, from which `config` was read. Throws Error.
  Daemon(NodeConfig config, net::ControlSocket driver, std::unique_ptr<Spawner> spawner);
  ~Daemon() override;

  // Serves until the driver is gone or asks for the end, or the cluster is gone. The caller then ends all children.
  void run();
  // For the process, after run().
  int exit_status() const { return exit_status_; }
  // When this process is gone, so is everything here.
  void end_with(pid_t process);

 private:
  // What the services ask of each other.
  struct Wiring;
  // What comes from other nodes.
  struct Nodes;

  // --- ConnectionEvents
  void message(Connection& from, net::ClientMessage message) override;
  void closed(Connection& connection) override;
  void stuck(Connection& connection) override { workers_.kill(connection.id); }
  void turn_over() override { tick(); }
  bool stopping() const override { return stopping_; }
  // --- WorkerEvents
  net::Welcome welcome() const override;
  void ready(ClientId worker) override;
  void gone(ClientId worker, Connection* connection, const std::string& status) override;

  std::unique_ptr<Cluster> make_cluster();
  std::unique_ptr<Outputs> make_outputs();
  SpaceRequests make_space_requests();
  void add_driver(net::ControlSocket socket);
  void greet(Connection& connection, const net::Hello& hello);
  void need_space(const Connection& connection, const net::NeedSpace& need);
  void ask_head(ClientId client, const HeadRequest& request);
  void output_taken(ClientId from, const net::OutputTaken& taken);
  void drain_output(ClientId from, const net::DrainOutput& drain);
  int arena_of(ClientId client) const;  // for readers; -1: unknown
  std::set<ClientId> users_of_arenas() const;
  // Gives every service its turn, and sets the timer for the next.
  void tick();
  void watch(int descriptor);
  void stop();
  sched::Time now() const { return std::chrono::steady_clock::now() - start_; }

  NodeConfig config_;
  boost::asio::io_context io_;
  boost::asio::signal_set child_signals_;
  boost::asio::steady_timer timer_;
  std::list<boost::asio::posix::stream_descriptor> watched_;  // pidfds and the launcher: with their ends this one ends
  std::chrono::steady_clock::time_point start_;
  std::string host_;
  BackPressure pressure_;
  std::unique_ptr<Wiring> wiring_;
  std::unique_ptr<Nodes> nodes_;
  net::ControlSocket launcher_;  // of a node that joins: the program that was started
  std::unique_ptr<Cluster> cluster_;
  NodeId self_;
  ClientId driver_;
  std::vector<net::NodeOfCluster> members_;  // alive, this one too
  Connections connections_;
  Rings rings_;
  std::unique_ptr<Outputs> outputs_;  // null: workers print where this process does
  Workers workers_;
  Placement placement_;
  DeadArenas arenas_;
  Failover failover_;
  DeathNotices deaths_;
  SpaceRequests space_;
  LinkMover link_mover_;
  Mover& mover_ = link_mover_;  // for objects of other nodes
  MemoryWatch memory_;
  WaitAnswers waits_;
  ClockSync clock_;                    // of a node that joined
  std::unique_ptr<HeadService> head_;  // null: another node carries it
  int exit_status_ = 0;
  bool stopping_ = false;
};

// The whole life of a node process after it was forked or executed: reads the configuration from `driver`, serves,
// cleans up, ends the process.
[[noreturn]] void run_node_process(Fd driver, pid_t driver_process, WorkerMain worker_main, std::vector<int> keep);

}  // namespace manta::node
