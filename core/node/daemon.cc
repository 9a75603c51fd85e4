#include "core/node/daemon.h"

#include <malloc.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <set>
#include <utility>

#include "core/base/log.h"
#include "core/base/overloaded.h"
#include "core/net/wire_resources.h"
#include "core/node/daemon_nodes.h"
#include "core/node/daemon_wiring.h"

namespace manta::node {

namespace {

sched::NodeSchedulerConfig scheduler_config(const NodeConfig& config, NodeId node) {
  sched::NodeSchedulerConfig c;
  c.total = net::resources_of(config.total);
  c.first_client_id = client_of(node, 2).value;  // 1 is the driver
  c.max_workers = config.max_workers;
  c.warm_workers = config.warm_workers;
  return c;
}

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "localhost";
}

bool is_closed(int socket) {
  pollfd peer{socket, POLLIN, 0};
  return ::poll(&peer, 1, 0) == 1 && (peer.revents & (POLLHUP | POLLERR)) != 0;
}

}  // namespace

// --- beginning

Daemon::Daemon(NodeConfig config, net::ControlSocket driver, std::unique_ptr<Spawner> spawner)
    : config_(std::move(config)),
      io_(1),
      child_signals_(io_, SIGCHLD),
      timer_(io_),
      start_(std::chrono::steady_clock::now()),
      host_(host_name()),
      pressure_(io_),
      wiring_(std::make_unique<Wiring>(*this)),
      nodes_(std::make_unique<Nodes>(*this)),
      launcher_(std::move(driver)),
      cluster_(make_cluster()),
      self_(cluster_->self()),
      driver_(cluster_->driver()),
      members_{{self_, host_, config_.total}},
      connections_(io_, config_.store_capacity_bytes, pressure_, *this),
      rings_(connections_),
      outputs_(make_outputs()),
      workers_(io_, std::move(spawner), config_.gpu_names, connections_, outputs_.get(), *this),
      placement_(io_, members_.front(), scheduler_config(config_, self_), connections_, rings_, *wiring_),
      arenas_(self_, [this](ClientId arena) { cluster_->send(node_of(arena), link::ArenaUnused{arena}); }),
      failover_(io_, self_, *wiring_),
      deaths_(io_, [this](const net::ClientsDied& died) { return connections_.send_to_live(died); }),
      space_(make_space_requests()),
      link_mover_(*wiring_),
      memory_(io_, {config_.memory_threshold, config_.memory_limit_bytes, host_}, connections_, workers_,
              [this] { return placement_.scheduler().occupants(); }),
      waits_(connections_, placement_.scheduler()),
      clock_(io_, connections_.page().clock_offset_ns,
             [this](const link::AskClock& question) { cluster_->tell(Cluster::kHead, question); }) {
  if (cluster_->is_head()) {
    head_ = std::make_unique<HeadService>(self_, *wiring_);
    head_->node_joined(members_.front(), now());
    add_driver(std::move(launcher_));
  } else {
    watch(launcher_.take().release());  // the program that was started ends: so does its node
  }
  if (!cluster_->address().empty() || !cluster_->is_head()) {
#ifdef __GLIBC__
    // Chunks of objects come and go: their pages stay, instead of being faulted in anew for each.
    (void)::mallopt(M_MMAP_THRESHOLD, 32 << 20);
    (void)::mallopt(M_TRIM_THRESHOLD, 128 << 20);
#endif
  }
  cluster_->start();
  if (!cluster_->is_head()) clock_.begin();
  log::info("node ", self_, " on ", host_, ": ", static_cast<double>(config_.total.cpus) / 10'000, " CPUs, ",
            config_.total.gpus / 10'000, " GPUs, ", sched::bytes_to_string(config_.store_capacity_bytes),
            " for objects",
            !config_.listen.empty() ? ", at " + cluster_->address()
            : !config_.join.empty() ? ", of the cluster at " + config_.join
                                    : std::string());
  placement_.start();
}

Daemon::~Daemon() = default;

std::unique_ptr<Cluster> Daemon::make_cluster() {
  if (!config_.join.empty()) {
    return Cluster::join(io_, config_, host_, *nodes_, pressure_, [this] { return is_closed(launcher_.fd()); });
  }
  const auto make = config_.listen.empty() ? &Cluster::alone : &Cluster::listen;
  return make(io_, config_, *nodes_, pressure_, host_, client_of(Cluster::kHead, 1));
}

std::unique_ptr<Outputs> Daemon::make_outputs() {
  if (!config_.log_to_driver) return nullptr;
  const auto slot_of = [this](ClientId worker) {
    const Connection* connection = connections_.find(worker);
    return connection == nullptr ? nullptr : &connections_.slot_of(*connection);
  };
  return std::make_unique<Outputs>(
      io_, host_,
      Outputs::Edge{[this](net::OutputText text) { wiring_->to_client(driver_, std::move(text)); },
                    [slot_of](ClientId worker) {
                      const net::ClientSlot* slot = slot_of(worker);
                      return slot == nullptr ? 0 : slot->function.load(std::memory_order_acquire);
                    },
                    [slot_of](ClientId worker) {
                      if (net::ClientSlot* slot = slot_of(worker)) slot->printed = true;
                    }});
}

SpaceRequests Daemon::make_space_requests() {
  return SpaceRequests(
      [this](ClientId to, std::uint64_t id, std::uint64_t bytes) {
        connections_.send(*connections_.find(to), net::MakeSpace{id, bytes});
      },
      [this](ClientId asker, std::uint64_t number, std::uint64_t bytes) {
        Connection* connection = connections_.find(asker);
        if (connection != nullptr) connections_.send(*connection, net::SpaceMade{number, bytes});
      });
}

void Daemon::add_driver(net::ControlSocket socket) {
  auto driver = connections_.add(driver_, std::move(socket));
  if (!driver) throw_error(driver.error());
  (*driver)->driver = true;
  connections_.welcome(**driver, welcome());
  head_->client_joined(driver_, head::ClientKind::driver, now());
  placement_.scheduler().driver_joined(driver_, now());
}

net::Welcome Daemon::welcome() const {
  net::Welcome message;
  message.driver = driver_;
  message.spin_ns = config_.spin_ns;
  message.host = host_;
  message.spill_directory = config_.spill_directory;
  message.num_cpus = static_cast<double>(config_.total.cpus) / 10'000;
  message.nodes = members_;
  message.address = cluster_->address();
  message.output_captured = config_.log_to_driver;
  return message;
}

// --- messages of processes

void Daemon::message(Connection& from, net::ClientMessage message) {
  const ClientId client = from.id;
  std::visit(Overloaded{
                 [&](const net::Hello& m) { greet(from, m); },
                 [&](const net::SetDemand& m) { placement_.demand(client, m); },
                 [&](const net::ReturnLease& m) { placement_.return_lease(client, m.lease); },
                 [&](const net::Blocked& m) {
                   m.blocked ? placement_.scheduler().blocked(client, now())
                             : placement_.scheduler().unblocked(client, now());
                 },
                 [&](const net::RingClosed& m) { placement_.scheduler().ring_closed(client, m.submitter, now()); },
                 [&](const net::RequestArena& m) {
                   const int fd = arena_of(m.client);
                   connections_.send(from, net::ArenaOf{m.client}, {&fd, fd >= 0 ? 1u : 0u});
                 },
                 [&](net::ToPeer& m) { wiring_->peer_message(client, m.client, std::move(m.message)); },
                 [&](net::Replicate& m) { failover_.replicate(client, std::move(m.replicas)); },
                 [&](const net::Withdraw& m) { failover_.withdraw(client, m.objects); },
                 [&](const net::Settled& m) { failover_.settled(client, m); },
                 [&](const net::Shutdown&) {
                   if (from.driver) stop();
                 },
                 [&](const net::ArenaUnused& m) { arenas_.unused(m.client, client); },
                 [&](const net::KillWorker& m) { placement_.kill_leased(client, m); },
                 [&](const net::RequestRing& m) { rings_.open_to_actor(from, m.worker); },
                 [&](const net::RegisterName& m) { ask_head(client, m); },
                 [&](const net::FindName& m) { ask_head(client, m); },
                 [&](const net::DropName& m) { ask_head(client, m); },
                 [&](const net::CreateGroup& m) { ask_head(client, m); },
                 [&](const net::RemoveGroup& m) { ask_head(client, m); },
                 [&](const net::NeedSpace& m) { need_space(from, m); },
                 [&](const net::MadeSpace& m) { space_.made(client, m.id, m.bytes); },
                 [&](const net::PullBlock& m) { mover_.pull(client, m.id, m.location); },
                 [&](const net::OutputTaken& m) { output_taken(client, m); },
                 [&](const net::DrainOutput& m) { drain_output(client, m); },
                 [&](const net::WhyWaits& m) {
                   const sched::ResourceSet* unplaced =
                       m.where.bundle && head_ ? head_->unplaced(m.where.bundle.group) : nullptr;
                   connections_.send(from, waits_.answer(client, m, unplaced, placement_.others(), now()));
                 },
                 [&](net::WorkerCannotStart& m) { from.start_error = std::move(m.why); },
             },
             message);
}

void Daemon::greet(Connection& connection, const net::Hello& hello) {
  if (connection.greeted) return;
  connection.process = static_cast<pid_t>(hello.process);
  connection.greeted = true;
  if (!connection.driver) workers_.greeted(connection, connection.process);
}

// The driver first: mostly it owns what fills the store.
void Daemon::need_space(const Connection& connection, const net::NeedSpace& need) {
  log::debug("the store is full: process ", connection.process, " needs ", sched::bytes_to_string(need.bytes));
  std::deque<ClientId> others;
  for (const ClientId id : connections_.live()) {
    if (id == connection.id) continue;
    id == driver_ ? others.push_front(id) : others.push_back(id);
  }
  space_.need(connection.id, need.number, need.bytes, std::move(others));
}

void Daemon::ask_head(ClientId client, const HeadRequest& request) {
  if (!head_) {
    return std::visit([&](const auto& m) { wiring_->relay(client, Cluster::kHead, m); }, request);
  }
  head_->view(self_, placement_.available());
  head_->request(client, request, now());
}

void Daemon::output_taken(ClientId from, const net::OutputTaken& taken) {
  if (from != driver_) return;
  if (taken.node != self_) return wiring_->relay(from, taken.node, taken);
  if (outputs_) outputs_->taken(taken.bytes);
}

void Daemon::drain_output(ClientId from, const net::DrainOutput& drain) {
  if (from != driver_) return;
  if (drain.node != self_) return wiring_->relay(from, drain.node, drain);
  const auto drained = [this] { wiring_->to_client(driver_, net::OutputDrained{self_}); };
  outputs_ ? outputs_->drain(drained) : drained();
}

int Daemon::arena_of(ClientId client) const {
  if (const Connection* connection = connections_.find(client)) return connection->arena_for_readers.get();
  return arenas_.memory_of(client);
}

// Processes and standby owners of this node, which may know of objects anywhere.
std::set<ClientId> Daemon::users_of_arenas() const {
  std::set<ClientId> users;
  for (const auto& [id, connection] : connections_.all()) {
    if (connection->greeted) users.insert(id);
  }
  for (const ClientId standby : failover_.standbys()) users.insert(standby);
  return users;
}

// --- processes come and go

void Daemon::ready(ClientId worker) {
  wiring_->tell_head(link::ClientUp{worker});
  placement_.scheduler().worker_started(worker, now());
}

void Daemon::closed(Connection& connection) {
  if (connection.closed) return;
  Connections::stop_reading(connection);
  connection.driver ? stop() : workers_.closed(connection);
}

void Daemon::gone(ClientId id, Connection* connection, const std::string& status) {
  const bool greeted = connection != nullptr && connection->greeted;
  if (connection != nullptr) {
    net::NodePage& page = connections_.page();
    net::ClientSlot& slot = connections_.slot_of(*connection);
    slot.untimed = false;
    // Its blocks stay readable for the processes that refer to them; new objects need not wait for them.
    const std::uint64_t used = slot.store.used_bytes.exchange(0);
    page.store.used_bytes.fetch_sub(used);
    page.store.warm_bytes.fetch_sub(slot.store.warm_bytes.exchange(0));
    if (used > 0) {
      std::set<ClientId> users = users_of_arenas();
      for (const NodeId node : wiring_->other_nodes()) users.insert(client_of(node, 0));  // for its processes
      arenas_.keep(id, std::move(connection->arena_for_readers), std::move(users));
    }
    connections_.remove(*connection);
    space_.client_gone(id);
    failover_.process_gone(id, status);
  }
  placement_.process_gone(id, status, greeted);
  if (greeted) {
    mover_.client_left(id);
    wiring_->tell_head(link::ClientDown{id, status});
  }
  tick();
}

// --- the loop

void Daemon::tick() {
  const sched::Time at = now();
  sched::Time next = placement_.tick(at);
  if (head_) {
    if (head_->groups_wait()) head_->view(self_, placement_.available());
    next = std::min(next, head_->tick(at));
  }
  if (next == sched::Time::max() || stopping_) {
    timer_.cancel();
    return;
  }
  timer_.expires_at(start_ + std::max(next, at + std::chrono::milliseconds(1)));
  timer_.async_wait([this](boost::system::error_code error) {
    if (!error) tick();
  });
}

void Daemon::watch(int descriptor) {
  watched_.emplace_back(io_, descriptor)
      .async_wait(boost::asio::posix::stream_descriptor::wait_read, [this](boost::system::error_code error) {
        if (!error) stop();
      });
}

void Daemon::end_with(pid_t process) {
#ifdef SYS_pidfd_open
  const int fd = process > 0 ? static_cast<int>(::syscall(SYS_pidfd_open, process, 0)) : -1;
  if (fd < 0 && process > 0 && errno == ESRCH) return stop();  // it is gone already
  if (fd >= 0) watch(fd);
#endif
}

void Daemon::stop() {
  if (stopping_) return;
  stopping_ = true;
  workers_.stop();
  io_.stop();
}

void Daemon::run() {
  const std::function<void()> watch_children = [&] {
    child_signals_.async_wait([&](boost::system::error_code error, int) {
      if (error) return;
      workers_.reap();
      if (!stopping_) watch_children();
    });
  };
  watch_children();
  memory_.start();
  tick();
  io_.run();
  log::info("node ", self_, " ends");
  cluster_->leave(cluster_->is_head() ? "the job is over" : "its program was ended");
}

}  // namespace manta::node
