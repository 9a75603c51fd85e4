// How a client's parts are joined: what they ask of each other, one line each.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/client/client.h"
#include "core/client/local_runner.h"

namespace manta::client {

// What the parts ask of each other. Those that need the owner's mutex are called with it.
struct Client::Wiring final : LinkContext,
                              WaitContext,
                              StallContext,
                              ValuesContext,
                              OwnStoreContext,
                              SubmitContext,
                              StopContext,
                              TaskRunEffects,
                              InlineContext,
                              BackgroundContext {
  explicit Wiring(Client& client) : c(client) {}

  // --- blocks and memory
  Result<store::Block> allocate_to_push(std::uint64_t size_bytes) override MANTA_REQUIRES(owner_mutex) {
    return c.store_.allocate_to_push(size_bytes);
  }
  void free_block(std::uint64_t offset) override MANTA_REQUIRES(owner_mutex) { c.store_.free_block(offset); }
  const std::byte* bytes_at(std::uint64_t offset) override MANTA_REQUIRES(owner_mutex) { return c.store_.at(offset); }
  std::shared_ptr<const store::ArenaView> arena_of(ClientId process) override MANTA_REQUIRES(owner_mutex) {
    return c.values_.arena_of(process);
  }
  void arena_arrived(ClientId process, Fd memory) override MANTA_REQUIRES(owner_mutex) {
    c.values_.arena_arrived(process, std::move(memory));
  }
  bool is_read(const owner::StoredLocation& at) override MANTA_REQUIRES(owner_mutex) { return c.values_.is_read(at); }
  void restore_to_read(owner::Entry& entry, std::uint64_t size_bytes) override {
    c.store_.restore_to_read(entry, size_bytes);
  }
  std::string not_spilled() const override MANTA_REQUIRES(owner_mutex) { return c.store_.not_spilled(); }
  void say_space(std::uint64_t size_bytes, const std::string& not_spilled) override {
    c.stalls_.say_space("object of " + sched::bytes_to_string(size_bytes), size_bytes, not_spilled);
  }
  std::string holders_of_store() override { return c.stalls_.holders_of_store(); }

  // --- values and references
  owner::Value make_value(const serial::Writer& value, std::size_t inline_limit) override {
    return c.store_.make_value(value, inline_limit);
  }
  detail::ValueView read_value(owner::Entry& entry) override { return c.values_.read(entry); }
  detail::ValueView read_arguments(owner::Entry& task) override { return c.values_.read_arguments(task); }
  detail::WireRef wire_ref(owner::Entry& entry) override MANTA_REQUIRES(owner_mutex) {
    return c.state_.owner->borrowing().export_ref(entry);
  }

  // --- results
  void drain() override MANTA_REQUIRES(owner_mutex) { c.links_.drain(); }
  void add(Completions& completions, std::span<detail::EntryHead* const> entries) override {
    c.watchers_.add(completions, entries);
  }
  void remove(Completions& completions) override { c.watchers_.remove(completions); }
  void wake_background() override { c.background_.wake(); }
  void submitted(owner::Entry& entry) override {
    c.background_.wake();
    if (LocalRunner* local = c.state_.local.load(std::memory_order_relaxed)) [[unlikely]]
      local->submitted(entry);
  }
  bool look(Time now) override MANTA_REQUIRES(owner_mutex) {
    c.state_.events.publish(observe::Tick{now});
    return c.stalls_.look(now);
  }
  Time expire(Time now) override { return c.values_.expire_shared(now); }

  // --- running tasks
  void run_here(owner::Entry& entry) override { (void)c.inline_tasks_.run(entry); }
  void run(TaskContext& context, const TaskInput& input, Ended& ended) override {
    c.runner_.run(context, input, ended);
  }
  void enter(RunningTask& task) override MANTA_REQUIRES(owner_mutex) { c.stopping_.enter(task); }
  void leave(RunningTask& task) override MANTA_REQUIRES(owner_mutex) { c.stopping_.leave(task); }
  void drop_stop_source(RunningTask& task) override { c.stopping_.drop_source(task); }
  void stopped_ended(TaskContext& task, bool threw) override { c.stopping_.stopped_ended(task, threw); }

  // --- actors and other processes
  owner::Entry* find_actor(const std::string& name, const std::string& type) override {
    return c.actors_.find(name, type);
  }
  owner::Entry* name_actor(owner::Entry& actor, const std::string& name, const std::string& type,
                           bool get_if_exists) override {
    return c.actors_.give_name(actor, name, type, get_if_exists);
  }
  void send_to_peer(ClientId to, const net::PeerPacket& packet) override MANTA_REQUIRES(owner_mutex) {
    c.connection_->send_to_peer(to, packet);
  }

  Client& c;
};

// What the owner has done outside: called with its mutex.
struct Client::Edge final : owner::OwnerEffects {
  explicit Edge(Client& client) : c(client) {}

  void set_demand(owner::DemandIndex index, const sched::ResourceSet& request, std::uint32_t wanted) override;
  void return_lease(LeaseId lease) override;
  void kill_worker(LeaseId lease) override;
  owner::WorkerLink* link_to(ClientId worker) override;
  void drop_name(const std::string& name, const ObjectId& actor) override;
  void send(ClientId to, owner::PeerMessage message) override;
  void stop_task(ClientId worker, const TaskId& task, const owner::Cancellation& how) override;
  void free(const owner::Location& location) override;
  void arena_unused(ClientId arena) override;
  void unused(const owner::StoredLocation& location) override;
  void replicate(std::vector<owner::Replica> replicas) override;
  void withdraw(std::vector<ObjectId> objects) override;
  void tried_again(const std::string& what, std::uint32_t attempt, const std::string& why) override;
  void restarts(const owner::Restart& restart) override;
  std::chrono::nanoseconds now() const override { return Clock::now().time_since_epoch(); }
  void unread_failure(const std::string& what, const Error& error) override;
  void resolved(owner::Entry& entry) override;
  bool restore(owner::Entry& entry) override;
  std::string not_spilled() const override;

  Client& c;
};

// What the node and, by way of it, other processes send: the thread that reads.
struct Client::Receiver final : NodeReceiver {
  explicit Receiver(Client& client) : c(client) {}

  void receive(net::NodeMessage message, std::vector<Fd>& descriptors) override;
  void connection_ended() override;

  void client_died(const net::ClientDied& died);
  void node_died(const net::NodeDied& died);
  void from_peer(ClientId from, const std::vector<std::byte>& bytes);
  void from_peer_locked(ClientId from, net::PeerPacket& packet) MANTA_REQUIRES(owner_mutex);

  Client& c;
};

}  // namespace manta::client
