// Clients and their messages. Processes and the end of everything are in node_process.cc.
#include "core/node/daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include <boost/asio/post.hpp>

#include "core/base/log.h"
#include "core/base/overloaded.h"
#include "core/net/shared_memory.h"
#include "core/net/task_ring.h"
#include "core/net/wire_resources.h"
#include "core/node/daemon_client.h"
#include "core/store/arena.h"

namespace manta::node {

namespace {

constexpr auto kStuckFor = std::chrono::seconds(30);

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

}  // namespace

Daemon::Daemon(NodeConfig config, net::ControlSocket driver, std::unique_ptr<Spawner> spawner)
    : config_(std::move(config)),
      io_(1),
      spawner_(std::move(spawner)),
      child_signals_(io_, SIGCHLD),
      timer_(io_),
      start_(std::chrono::steady_clock::now()),
      host_(host_name()),
      self_(Cluster::kHead),
      pressure_(io_),
      replan_timer_(io_),
      memory_timer_(io_),
      crash_stacks_(io_),
      driver_(client_of(Cluster::kHead, 1)),
      standby_owners_(static_cast<owner::StandbyEffects&>(*this)),
      round_call_(round_call_edge()),
      deaths_(io_,
              [this](const net::ClientsDied& died) {
                const std::vector<std::byte> message = net::encode(net::NodeMessage(died));
                std::size_t told = 0;
                for (const auto& [id, client] : clients_) {
                  if (!client->greeted || client->closed) continue;
                  send_encoded(*client, message);
                  ++told;
                }
                return told;
              }),
      space_(
          [this](ClientId to, std::uint64_t id, std::uint64_t bytes) {
            send(*find(to), net::MakeSpace{id, bytes});
          },
          [this](ClientId asker, std::uint64_t number, std::uint64_t bytes) {
            if (Client* client = find(asker)) send(*client, net::SpaceMade{number, bytes});
          }),
      head_({.heartbeat_timeout = head::Time::max()}, *this),  // links have heartbeats of their own
      launcher_(std::move(driver)),
      scheduler_(((cluster_ = make_cluster()), scheduler_config(config_, self_)), client_of(self_, 0), *this),
      planner_(*this) {
  auto memory = net::create_shared_memory("manta-node", sizeof(net::NodePage));
  if (!memory) throw_error(memory.error());
  auto base = net::map_memory(memory->get(), sizeof(net::NodePage), net::Mapping::shared);
  if (!base) throw_error(base.error());
  page_memory_ = std::move(*memory);
  page_ = reinterpret_cast<net::NodePage*>(*base);
  page_->magic = net::NodePage::kMagic;
  page_->store_capacity_bytes = config_.store_capacity_bytes;
  for (std::uint32_t slot = net::NodePage::kSlots; slot-- > 0;) free_slots_.push_back(slot);

  outputs_ = make_outputs();  // before the first worker: the cluster's messages may bring one

  // The node's own head: joins cannot fail, ids are fresh.
  (void)head_.node_joined(self_, net::resources_of(config_.total), host_, now());
  nodes_.push_back({self_, host_, config_.total});
  planner_.node_joined(self_, net::resources_of(config_.total), now());
  if (config_.join.empty()) {
    auto client = add_client(driver_, std::move(launcher_));
    if (!client) throw_error(client.error());
    welcome(**client);
    (void)head_.client_joined(driver_, self_, head::ClientKind::driver, now());
    scheduler_.driver_joined(driver_, now());
  }
  if (cluster_) start_cluster();
  log::info("node ", self_, " on ", host_, ": ", static_cast<double>(config_.total.cpus) / 10'000, " CPUs, ",
            config_.total.gpus / 10'000, " GPUs, ", sched::bytes_to_string(config_.store_capacity_bytes),
            " for objects",
            !config_.listen.empty() ? ", at " + cluster_->address()
            : !config_.join.empty() ? ", of the cluster at " + config_.join
                                    : std::string());
  scheduler_.start(now());
}

Daemon::~Daemon() = default;

std::chrono::nanoseconds Daemon::now() const { return std::chrono::steady_clock::now() - start_; }

Daemon::Client* Daemon::find(ClientId id) {
  const auto it = clients_.find(id);
  return it == clients_.end() ? nullptr : it->second.get();
}

Result<Daemon::Client*> Daemon::add_client(ClientId id, net::ControlSocket socket) {
  if (free_slots_.empty()) return fail(ErrorCode::exhausted, "no place for another process on this node");
  auto arena = store::create_arena_memory(config_.store_capacity_bytes);
  if (!arena) return tl::unexpected<Error>(arena.error());
  auto readable = net::reopen_read_only(arena->get());
  if (!readable) return tl::unexpected<Error>(readable.error());
  auto client = std::make_unique<Client>(io_);
  client->id = id;
  client->socket = std::move(socket);
  client->slot = free_slots_.back();
  free_slots_.pop_back();
  new (&page_->slots[client->slot]) net::ClientSlot();  // a killed process may have left itself counted as a sleeper
  client->arena = std::move(*arena);
  client->arena_for_readers = std::move(*readable);
  client->events.assign(client->socket.fd());
  Client& added = *client;
  clients_[id] = std::move(client);
  watch(added);
  return &added;
}

void Daemon::welcome(Client& client) {
  net::Welcome message;
  message.client = client.id;
  message.slot = client.slot;
  message.driver = driver_;
  message.spin_ns = config_.spin_ns;
  message.host = host_;
  message.spill_directory = config_.spill_directory;
  message.num_cpus = static_cast<double>(config_.total.cpus) / 10'000;
  message.nodes = nodes_;
  if (cluster_) message.address = cluster_->address();
  message.env = client.env;
  message.output_captured = config_.log_to_driver;
  const int descriptors[] = {page_memory_.get(), client.arena.get()};
  send(client, message, descriptors);
  client.arena.reset();  // from here on only the client can write to it
}

void Daemon::watch(Client& client) {
  const ClientId id = client.id;
  client.events.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                           [this, id](boost::system::error_code error) {
                             Client* c = find(id);
                             if (error || c == nullptr) return;
                             on_readable(*c);
                           });
}

void Daemon::on_readable(Client& client) {
  loop_thread_.assert_current();
  const ClientId id = client.id;
  for (int n = 0; n < 64; ++n) {  // then others get a turn
    auto packet = client.socket.try_receive();
    if (!packet) {
      if (packet.error().code() == ErrorCode::exhausted) break;
      socket_closed(client);
      return;
    }
    auto message = net::decode_client_message(packet->bytes);
    if (!message) {  // not one of ours any more: its memory is damaged
      socket_closed(client);
      return;
    }
    handle(client, std::move(*message));
    if (stopping_ || find(id) == nullptr) return;
    if (!pressure_.take_overfull()) continue;
    pressure_.wait([this, id] {
      if (Client* waited = find(id); waited != nullptr && !waited->closed) watch(*waited);
    });
    return schedule_tick();
  }
  watch(client);
  schedule_tick();
}

void Daemon::handle(Client& client, net::ClientMessage message) {
  std::visit(Overloaded{
                 [&](const net::Hello& m) { handle_hello(client, m); },
                 [&](const net::SetDemand& m) { place_demand(client, m); },
                 [&](const net::ReturnLease& m) { return_lease(client.id, m.lease); },
                 [&](const net::Blocked& m) {
                   m.blocked ? scheduler_.blocked(client.id, now()) : scheduler_.unblocked(client.id, now());
                 },
                 [&](const net::RingClosed& m) { scheduler_.ring_closed(client.id, m.submitter, now()); },
                 [&](const net::RequestArena& m) {
                   const int fd = arena_of(m.client);
                   send(client, net::ArenaOf{m.client}, {&fd, fd >= 0 ? 1u : 0u});
                 },
                 [&](net::ToPeer& m) { peer_message(client.id, m.client, std::move(m.message)); },
                 [&](net::Replicate& m) { standby_owners_.replicate(client.id, std::move(m.replicas)); },
                 [&](const net::Withdraw& m) { standby_owners_.withdraw(client.id, m.objects); },
                 [&](const net::Settled& m) { round_call_.client_answered(client.id, m.standby, m.round); },
                 [&](const net::Shutdown&) {
                   if (client.id == driver_) stop();
                 },
                 [&](const net::ArenaUnused& m) { arena_unused(m.client, client.id); },
                 [&](const net::KillWorker& m) { kill_leased(client.id, m); },
                 [&](const net::RequestRing& m) { send_channel(client, m.worker); },
                 [&](const net::RegisterName& m) { on_name(client.id, m); },
                 [&](const net::FindName& m) { on_name(client.id, m); },
                 [&](const net::DropName& m) { on_name(client.id, m); },
                 [&](const net::NeedSpace& m) { need_space(client, m); },
                 [&](const net::MadeSpace& m) { space_.made(client.id, m.id, m.bytes); },
                 [&](const net::PullBlock& m) {
                   if (transfers_) transfers_->pull(client.id, m.id, m.location);
                 },
                 [&](const net::OutputTaken& m) { output_taken(client.id, m); },
                 [&](const net::DrainOutput& m) { drain_output(client.id, m); },
                 [&](const net::CreateGroup& m) { create_group(client.id, m); },
                 [&](const net::RemoveGroup& m) { remove_group(client.id, m); },
                 [&](const net::WhyWaits& m) { explain_wait(client, m); },
                 [&](net::WorkerCannotStart& m) { client.start_error = std::move(m.why); },
             },
             message);
}

// The driver first: mostly it owns what fills the store.
void Daemon::need_space(const Client& client, const net::NeedSpace& need) {
  log::debug("the store is full: process ", client.process, " needs ", sched::bytes_to_string(need.bytes));
  std::deque<ClientId> others;
  for (const auto& [id, other] : clients_) {
    if (id == client.id || !other->greeted || other->closed) continue;
    id == driver_ ? others.push_front(id) : others.push_back(id);
  }
  space_.need(client.id, need.number, need.bytes, std::move(others));
}

void Daemon::send(Client& client, const net::NodeMessage& message, std::span<const int> descriptors) {
  send_encoded(client, net::encode(message), descriptors);
}

void Daemon::send_encoded(Client& client, std::vector<std::byte> message, std::span<const int> descriptors) {
  loop_thread_.assert_current();
  const bool waits_already = !client.queue.empty();
  const auto wait = client.queue.send(std::move(message), descriptors);
  if (!wait) {
    // A message without its descriptors, or none, would leave the client waiting for ever: it goes as one that died.
    if (wait.error().code() != ErrorCode::unavailable) cut_off(client, wait.error().message());
    return;  // the end will be read from the socket soon
  }
  pressure_.queued(client.id, client.queue.bytes());
  if (!waits_already && *wait != net::SendQueue::Wait::nothing) flush_later(client, *wait);
}

// Its end is read from the socket soon.
void Daemon::cut_off(Client& client, const std::string& why) {
  log::error("process ", client.process, " is cut off from the node process, which cannot send to it: ", why);
  ::shutdown(client.socket.fd(), SHUT_RDWR);
}

void Daemon::flush_later(Client& client, net::SendQueue::Wait wait) {
  const auto flush_it = [this, id = client.id](boost::system::error_code error) {
    Client* c = find(id);
    if (!error && c != nullptr) flush(*c);
  };
  if (client.queue.bytes() >= BackPressure::kFullBytes && client.process > 0 && client.id != driver_) {
    client.stuck.expires_after(kStuckFor);  // cancels the one before
    client.stuck.async_wait([this, id = client.id](boost::system::error_code error) {
      Client* c = find(id);
      if (error || c == nullptr) return;
      log::error("worker process ", c->process, " has read no message for ", kStuckFor.count(), " s, and ",
                 sched::bytes_to_string(c->queue.bytes()), " wait for it: it is killed");
      kill_worker(id);
    });
  } else {
    client.stuck.cancel();
  }
  if (wait == net::SendQueue::Wait::writable) {
    return client.events.async_wait(boost::asio::posix::stream_descriptor::wait_write, flush_it);
  }
  client.pause.expires_after(std::chrono::milliseconds(1));
  client.pause.async_wait(flush_it);
}

void Daemon::flush(Client& client) {
  const auto wait = client.queue.flush();
  if (!wait) client.queue.clear();  // the end will be read from the socket soon
  pressure_.queued(client.id, client.queue.bytes());
  if (wait && *wait != net::SendQueue::Wait::nothing) return flush_later(client, *wait);
  client.stuck.cancel();
}

void Daemon::grant(ClientId submitter, const sched::Grant& grant) {
  Client* from = find(submitter);
  Client* worker = find(grant.worker);
  if (worker != nullptr && from == nullptr && node_of(submitter) != self_) {
    return to_client(submitter, net::Granted{grant.lease, grant.worker, grant.shape, 0, false});
  }
  if (from == nullptr || worker == nullptr) return;
  log::trace("process ", from->process, " may run on worker process ", worker->process, " (lease ", grant.lease, ")");
  if (placing_) placing_->granted(grant.lease, submitter, grant.shape);
  net::Granted granted{grant.lease, grant.worker, grant.shape, worker->slot, false};
  if (!rings_.emplace(submitter, grant.worker).second) {
    send(*from, granted);
    return;
  }
  auto ring = make_ring(*from, *worker);
  if (!ring) {
    rings_.erase({submitter, grant.worker});
    infeasible(submitter, grant.shape, "this node cannot make a ring to a worker: " + ring.error().message());
    boost::asio::post(io_,
                      [this, submitter, lease = grant.lease] { scheduler_.return_lease(submitter, lease, now()); });
    return;
  }
  granted.new_ring = true;
  const int descriptors[] = {ring->get(), worker->arena_for_readers.get()};
  send(*from, granted, descriptors);
}

// A ring of which the worker has its end already.
Result<Fd> Daemon::make_ring(Client& submitter, Client& worker) {
  auto ring = net::create_shared_memory("manta-ring", net::RingMemory::bytes());
  if (!ring) return tl::unexpected<Error>(ring.error());
  auto memory = net::RingMemory::create(ring->get());
  if (!memory) return tl::unexpected<Error>(memory.error());
  net::RingMemory::unmap(*memory);
  const int descriptors[] = {ring->get(), submitter.arena_for_readers.get()};
  send(worker, net::OpenRing{submitter.id, submitter.slot}, descriptors);
  return ring;
}

// To the actor that the worker hosts. Where there is a ring already, or no such worker, the answer is empty.
void Daemon::send_channel(Client& client, ClientId worker_id) {
  Client* worker = find(worker_id);
  net::RingTo answer{worker_id, worker != nullptr ? worker->slot : 0};
  if (worker == nullptr || worker_id == driver_ || !rings_.emplace(client.id, worker_id).second) {
    return send(client, answer);
  }
  auto ring = make_ring(client, *worker);
  if (!ring) {
    rings_.erase({client.id, worker_id});
    return send(client, answer);
  }
  const int descriptors[] = {ring->get(), worker->arena_for_readers.get()};
  send(client, answer, descriptors);
}

void Daemon::kill_leased(ClientId submitter, const net::KillWorker& m) {
  if (cluster_ && node_of(m.lease) != self_) return relay(submitter, node_of(m.lease), m);
  if (const ClientId worker = scheduler_.worker_of(submitter, m.lease)) kill_worker(worker);
}

// Names are the head's.
template <class Message>
void Daemon::on_name(ClientId client, const Message& m) {
  if (cluster_ && !cluster_->is_head()) return relay(client, Cluster::kHead, m);
  if constexpr (std::is_same_v<Message, net::DropName>) {
    head_.drop_name(m.name, m.actor);
  } else {
    const head::Named* named = nullptr;
    if constexpr (std::is_same_v<Message, net::RegisterName>) {
      named = head_.register_name(m.name, {m.actor, client, m.type});
    } else {
      named = head_.find_name(m.name);
    }
    net::Named answer;
    answer.request = m.request;
    if (named != nullptr) answer = {m.request, true, named->actor, named->owner, named->type};
    to_client(client, answer);
  }
}
template void Daemon::on_name(ClientId client, const net::RegisterName& m);
template void Daemon::on_name(ClientId client, const net::FindName& m);
template void Daemon::on_name(ClientId client, const net::DropName& m);

void Daemon::lease_ended(ClientId submitter, LeaseId lease, sched::LeaseEnd, const std::string& status) {
  if (placing_) placing_->lease_over(lease);
  log::trace("lease ", lease, " ended: ", status);
  to_client(submitter, net::LeaseEnded{lease, status});
}

void Daemon::infeasible(ClientId submitter, sched::ShapeIndex shape, const std::string& why) {
  log::info("refused a demand of client ", submitter, ": ", why);
  to_client(submitter, net::Infeasible{shape, why});
}

void Daemon::ask_back(ClientId submitter, sched::ShapeIndex shape, std::uint32_t count) {
  to_client(submitter, net::AskBack{shape, count, cluster_ ? self_ : NodeId{}});
}

void Daemon::close_ring(ClientId worker, ClientId submitter) {
  rings_.erase({submitter, worker});
  if (Client* client = find(worker)) send(*client, net::CloseRing{submitter});
}

void Daemon::announce_client_death(NodeId to, ClientId dead, const std::string& status) {
  if (to != self_) {
    if (cluster_ && cluster_->is_head()) cluster_->tell(to, link::ClientDown{dead, status});
    return;
  }
  if (node_of(dead) != self_) foreign_client_gone(dead, status);
  deaths_.add(dead, status);
  death_announced(dead, status);
  if (is_head()) planner_.client_left(dead, now());
}

void Daemon::end_job(NodeId to, ClientId driver) {
  if (to == self_ && driver == driver_) stop();
}

void Daemon::schedule_tick() {
  const sched::Time at = now();
  const sched::Time next = std::min({scheduler_.tick(at), head_.tick(at), plan_groups(at)});
  page_->others_wait.store(scheduler_.starving(), std::memory_order_relaxed);
  if (cluster_) look_at_views();
  if (next == sched::Time::max() || stopping_) {
    timer_.cancel();
    return;
  }
  timer_.expires_at(start_ + std::max(next, at + std::chrono::milliseconds(1)));
  timer_.async_wait([this](boost::system::error_code error) {
    if (!error) schedule_tick();
  });
}

}  // namespace manta::node
