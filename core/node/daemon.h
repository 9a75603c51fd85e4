// The node process: daemon, and on the driver's node the head, on one loop. It owns the workers, the store's memory and
// the clean-up; it carries no task and no object of its own node. In a cluster (daemon_cluster.cc) it also carries what
// its clients say to those of other nodes, and objects that they read from there.
//
//   NODE-1  when the driver is gone, by whatever death, so are all processes below this one, and then this one
//   NODE-2  a dead client is announced after everything that it sent was delivered
//   NODE-3  a client that does not read its messages makes those wait that send to it (back_pressure.h); a worker that
//           reads none for kStuckFor while too much waits for it is killed
//   NODE-4  it is the child of a guard, a process that only waits for its end: after kill -9 of the node process the
//           guard ends what user code of the workers has left (workers themselves die by parent-death signal), and
//           after kill -9 of the guard the node process does
//   NODE-5  what is sent to a dead client of this node, or to its standby owner, is answered by `standby_owners_`
//
// Threading: one thread; run() returns when everything below has ended. Ownership: owns the spawner, clients, memory.
#pragma once

#include <chrono>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "core/base/loop_thread.h"
#include "core/head/head.h"
#include "core/net/control_socket.h"
#include "core/net/messages.h"
#include "core/net/node_page.h"
#include "core/net/send_queue.h"
#include "core/node/back_pressure.h"
#include "core/node/cluster.h"
#include "core/node/crash_stacks.h"
#include "core/node/death_notices.h"
#include "core/node/node_config.h"
#include "core/node/outputs.h"
#include "core/node/space_requests.h"
#include "core/node/spawner.h"
#include "core/node/transfers.h"
#include "core/node/wait_lines.h"
#include "core/owner/round_call.h"
#include "core/owner/standby_owners.h"
#include "core/sched/bundled_scheduler.h"
#include "core/sched/cluster_scheduler.h"
#include "core/sched/group_planner.h"

namespace manta::node {

class Daemon final : sched::BundleEffects,
                     head::HeadEffects,
                     ClusterEvents,
                     sched::ClusterSchedulerEffects,
                     sched::GroupPlannerEffects,
                     owner::StandbyEffects {
 public:
  // The spawner has started. driver: this end of the driver's socket, from which `config` was read.
  Daemon(NodeConfig config, net::ControlSocket driver, std::unique_ptr<Spawner> spawner);
  ~Daemon() override;

  // Serves until the driver is gone or asks for the end, or the cluster is gone; then ends all children.
  void run();
  // For the process, after run().
  int exit_status() const { return exit_status_; }
  // When this process is gone, so is everything here.
  void end_with(pid_t process);

 private:
  struct Client;
  struct DeadArena {
    Fd memory;                 // read-only
    std::set<ClientId> users;  // clients, standby owners and nodes that may know of objects in it (OWN-8)
  };

  // --- sched::BundleEffects
  void start_worker(ClientId worker, const std::vector<sched::GpuShare>& gpus, const std::string& env) override;
  void kill_worker(ClientId worker) override;
  void grant(ClientId submitter, const sched::Grant& grant) override;
  void lease_ended(ClientId submitter, LeaseId lease, sched::LeaseEnd why, const std::string& status) override;
  void infeasible(ClientId submitter, sched::ShapeIndex shape, const std::string& why) override;
  void ask_back(ClientId submitter, sched::ShapeIndex shape, std::uint32_t count) override;
  void close_ring(ClientId worker, ClientId submitter) override;
  void bundle_reserved(const Bundle& bundle, std::uint32_t attempt) override;
  // --- head::HeadEffects
  void announce_client_death(NodeId to, ClientId client, const std::string& status) override;
  void announce_node_death(NodeId to, NodeId dead, const std::string& status) override;
  void end_job(NodeId to, ClientId driver) override;
  // --- ClusterEvents (daemon_cluster.cc)
  void node_up(const net::NodeOfCluster& node) override;
  void node_down(NodeId node, const std::string& status) override;
  void client_up(ClientId client) override;
  void client_down(ClientId client, const std::string& status) override;
  void view_changed(const link::View& view) override;
  void message(NodeId from, link::Message message) override;
  void head_gone(bool orderly, const std::string& why) override;
  // --- sched::ClusterSchedulerEffects (daemon_cluster.cc)
  void set_share(NodeId node, ClientId client, sched::ShapeIndex shape, const sched::ResourceSet& request,
                 const Bundle& bundle, std::uint32_t wanted) override;
  std::uint32_t held_here(ClientId client, sched::ShapeIndex shape) override { return scheduler_.held(client, shape); }
  void refuse(ClientId client, sched::ShapeIndex shape, const std::string& why) override;

  // --- sched::GroupPlannerEffects (daemon_groups.cc)
  void reserve(NodeId node, const Bundle& bundle, std::uint32_t attempt, const sched::ResourceSet& request) override;
  void release(NodeId node, const Bundle& bundle, const std::string& why) override;
  void placed(std::uint64_t group, const std::vector<NodeId>& nodes) override;
  void gone(std::uint64_t group) override;

  // --- owner::StandbyEffects (daemon_standby.cc)
  void send_as(ClientId from, ClientId to, owner::PeerMessage message) override;
  void free_block(const owner::StoredLocation& location) override;
  void arena_unused(ClientId arena, ClientId user) override;
  void ask_all(ClientId standby, std::uint32_t round) override;
  void standby_closed(ClientId standby) override;

  [[nodiscard]] Result<Client*> add_client(ClientId id, net::ControlSocket socket);
  void welcome(Client& client);
  void watch(Client& client);
  void on_readable(Client& client);
  void handle(Client& client, net::ClientMessage message);
  void need_space(const Client& client, const net::NeedSpace& need);
  void handle_hello(Client& client, const net::Hello& hello);
  void send(Client& client, const net::NodeMessage& message, std::span<const int> descriptors = {});
  void send_encoded(Client& client, std::vector<std::byte> message, std::span<const int> descriptors = {});
  [[nodiscard]] Result<Fd> make_ring(Client& submitter, Client& worker);
  void send_channel(Client& client, ClientId worker);
  void kill_leased(ClientId submitter, const net::KillWorker& m);
  template <class Message>
  void on_name(ClientId client, const Message& m);
  void relay(ClientId client, NodeId to, const net::ClientMessage& message);
  void flush(Client& client);
  void cut_off(Client& client, const std::string& why);
  void flush_later(Client& client, net::SendQueue::Wait wait);
  void socket_closed(Client& client);
  void client_gone(ClientId id, const std::string& how);
  void worker_ended(ClientId id, int wait_status);  // daemon_ends.cc
  void read_last(Client& client);
  bool start_again(const Client& client);
  void keep_arena(Client& client);
  void reap();
  void schedule_tick();
  void stop();
  std::chrono::nanoseconds now() const;
  Client* find(ClientId id);

  // daemon_standby.cc
  owner::RoundCallEdge round_call_edge();
  std::vector<ClientId> greeted() const;
  std::set<ClientId> users_of_arenas() const;
  void peer_message(ClientId from, ClientId to, std::vector<std::byte> message);
  void to_standby_owners(ClientId from, ClientId to, std::span<const std::byte> message);
  void drop_user(ClientId user);
  void add_user(ClientId user, ClientId where);
  void death_announced(ClientId dead, const std::string& status);

  // daemon_cluster.cc
  std::unique_ptr<Cluster> make_cluster();
  void start_cluster();
  void place_demand(Client& client, const net::SetDemand& demand);
  void return_lease(ClientId client, LeaseId lease);
  void to_client(ClientId client, const net::NodeMessage& message);  // of this node or another
  void from_foreign_client(NodeId from, const link::FromClient& message);
  void for_client(NodeId from, const link::ForClient& message);
  void client_started(ClientId client);
  void client_ended(ClientId client, const std::string& status);
  void foreign_client_gone(ClientId client, const std::string& status);
  void look_at_views();
  int arena_of(ClientId client);  // for readers; -1: unknown

  void explain_wait(Client& client, const net::WhyWaits& m);  // daemon_waits.cc

  // daemon_memory.cc
  void watch_memory();
  void look_at_memory();

  // daemon_groups.cc
  bool is_head() const { return !cluster_ || cluster_->is_head(); }
  sched::ClusterScheduler& placing();
  void create_group(ClientId client, const net::CreateGroup& m);
  void remove_group(ClientId client, const net::RemoveGroup& m);
  void tell_of_groups(NodeId node);
  sched::Time plan_groups(sched::Time at);
  void on_group_message(NodeId from, const link::Message& message);

  // daemon_output.cc
  std::unique_ptr<Outputs> make_outputs();
  void output_taken(ClientId from, const net::OutputTaken& taken);
  void drain_output(ClientId from, const net::DrainOutput& drain);

  [[no_unique_address]] LoopThread loop_thread_;
  NodeConfig config_;
  boost::asio::io_context io_;
  std::unique_ptr<Spawner> spawner_;
  boost::asio::signal_set child_signals_;
  boost::asio::steady_timer timer_;
  std::list<boost::asio::posix::stream_descriptor> watched_;  // pidfds
  std::chrono::steady_clock::time_point start_;
  Fd page_memory_;
  net::NodePage* page_ = nullptr;
  std::vector<std::uint32_t> free_slots_;
  std::string host_;
  NodeId self_;
  BackPressure pressure_;
  std::unique_ptr<Cluster> cluster_;  // null: no node may join
  std::unique_ptr<sched::ClusterScheduler> placing_;
  std::unique_ptr<Transfers> transfers_;
  std::unique_ptr<Outputs> outputs_;       // null: workers print where this process does
  std::vector<net::NodeOfCluster> nodes_;  // alive
  std::set<ClientId> foreign_submitters_;
  boost::asio::steady_timer replan_timer_;
  bool replan_waits_ = false;
  boost::asio::steady_timer memory_timer_;
  std::chrono::milliseconds until_next_look_{50};     // at the memory: as soon as it could be full
  std::map<ClientId, std::string> ended_for_memory_;  // and not gone yet; their status
  int exit_status_ = 0;
  std::uint64_t memory_kills_ = 0;  // by the kernel, that are accounted for
  CrashStacks crash_stacks_;
  ClientId driver_;
  std::map<ClientId, std::unique_ptr<Client>> clients_;
  std::map<pid_t, ClientId> by_process_;
  std::map<pid_t, std::string> ended_early_;       // processes that ended before their Hello was read
  std::set<std::pair<ClientId, ClientId>> rings_;  // (submitter, worker)
  std::map<ClientId, DeadArena> arenas_of_the_dead_;
  owner::StandbyOwners standby_owners_;
  owner::RoundCall round_call_;
  DeathNotices deaths_;
  SpaceRequests space_;
  WaitLines wait_lines_;
  head::Head head_;
  net::ControlSocket launcher_;  // of a node that joined: the program that was started; then watched for its end
  sched::BundledScheduler scheduler_;
  sched::GroupPlanner planner_;  // the head's
  bool stopping_ = false;
};

// "was killed by signal 9 (SIGKILL)", "exited with status 3".
std::string describe_exit(int wait_status);

// The whole life of a node process after it was forked or executed: reads the configuration from `driver`, serves,
// cleans up, ends the process.
[[noreturn]] void run_node_process(Fd driver, pid_t driver_process, WorkerMain worker_main, std::vector<int> keep);

}  // namespace manta::node
