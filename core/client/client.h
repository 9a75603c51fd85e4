// The edge of a process' Owner: its lock, its links to workers, its connection to the node, its waiting threads.
//
//   CLIENT-1  a thread that waits drains the result rings itself; the background thread does it only while none waits
//   CLIENT-2  while all waiting threads sleep, every link rings this process' doorbell on a result: a link begins
//             armed, a waiter re-arms all before it sleeps, and one that disarmed some by draining wakes the others
//   CLIENT-3  a peer's message, its death and the end of a lease on it are delivered after the results it had finished
//   CLIENT-4  a worker's thread that waits gives the lease's CPUs back after kBlockedAfter; a thread that runs a task
//             first runs the task it waits for itself, if that has not started and fits the CPUs it holds
//
// Threading: public methods from any thread. Two threads of its own: one reads the node's messages, one drains, ticks
// and returns idle leases while there is work. mutex_ is the lock that other rooms call the client's. owner_ calls the
// effects and the links only inside a call, so with mutex_ held: clang cannot follow that through their interfaces, so
// effects require the mutex, and links assert it. Ownership: it outlives its runtime if Refs do (see Retired).
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include <manta/detail/actor_status.h>
#include <manta/detail/runtime_api.h>
#include <manta/detail/stream_api.h>
#include <manta/error.h>

#include "core/base/mutex.h"
#include "core/client/adoptions.h"
#include "core/client/arenas.h"
#include "core/client/awaits.h"
#include "core/client/message_link.h"
#include "core/client/outbox.h"
#include "core/client/output_source.h"
#include "core/client/pins.h"
#include "core/client/remote_blocks.h"
#include "core/client/ring_link.h"
#include "core/client/shared_values.h"
#include "core/client/spilling.h"
#include "core/client/stalls.h"
#include "core/client/task_context.h"
#include "core/client/timeline.h"
#include "core/client/unread_failures.h"
#include "core/net/control_socket.h"
#include "core/net/messages.h"
#include "core/net/node_page.h"
#include "core/owner/owner.h"
#include "core/store/arena.h"

namespace manta::client {

// What the executor of a worker does for messages that concern it. Called from the client's reading thread.
class WorkerHooks {
 public:
  virtual ~WorkerHooks() = default;
  virtual void open_ring(const net::OpenRing& message, Fd ring) = 0;
  virtual void close_ring(ClientId submitter) = 0;
  virtual void client_died(ClientId client) = 0;
  // A thread of the process waits, whether it runs a task or a task has started it. Result: for wait_ends. Any thread.
  virtual std::uint64_t wait_begins() = 0;
  virtual void wait_ends(std::uint64_t wait) = 0;
  // Of a submitter on another node: a task to run; send back what has not started.
  virtual void run_task(ClientId submitter, net::RunTask task) = 0;
  virtual void take_back_tasks(ClientId submitter) = 0;
  // False: this one does not wait here; else it was sent back.
  virtual bool take_back_task(ClientId submitter, const TaskId& task) = 0;
  // A call that waits in a coroutine was asked to stop.
  virtual void suspended_stopped() = 0;
  // Of the reader of a stream whose items this worker makes, or made.
  virtual void stream_credit(ClientId reader, const owner::StreamCredit& credit) = 0;
  virtual void stream_stop(ClientId reader, const owner::StreamStop& stop) = 0;
};

class Completions;
class OutputPrinter;
class ReadyList;

class Client final : owner::OwnerEffects {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::microseconds kBlockedAfter{100};
  static constexpr std::chrono::milliseconds kTick{1};

  // The process' client; null before init and after the runtime's end.
  static Client* current() { return current_.load(std::memory_order_acquire); }
  // As current, but throws Error(unavailable) that says to call manta::init.
  static Client& require();
  // In a forked child: the client is the parent's. False: there is none.
  static bool disown() { return current_.exchange(nullptr) != nullptr; }

  // node: connected, the Welcome not read yet. Reads it (blocking), then starts. Throws Error.
  static std::unique_ptr<Client> connect(net::ControlSocket node, WorkerHooks* hooks);
  ~Client() override;

  // Ends the connection (driver: asks the node to end everything). Whatever is not resolved fails.
  void stop(bool shut_down_node);
  // After stop: what Refs of the program still point to.
  std::vector<const detail::EntryHead*> live_entries();
  bool any_live();
  // After stop: makes objects of our own readable without the node.
  void keep_own_objects();

  owner::Entry* submit(const detail::TaskCall& call);
  owner::Entry* put(const serial::Writer& value);
  owner::Entry* put(owner::Value value, std::vector<owner::Entry*> contained);
  owner::Entry* create_actor(const detail::ActorCall& call);
  owner::Entry* call_actor(const detail::MethodCall& call);
  void kill_actor(owner::Entry& actor, bool restart);
  detail::ActorStatus actor_status(const owner::Entry& actor, bool with_reason);
  owner::Entry* lock_actor(const ObjectId& id);  // held; null: it has ended
  void set_label(owner::Entry& entry, std::string label);
  owner::Entry* find_actor(const std::string& name, const std::string& type);  // null: none
  // Placement groups; throws Error.
  std::uint64_t create_group(std::vector<net::WireResources> bundles, std::uint8_t strategy);
  void remove_group(std::uint64_t group) { send(net::RemoveGroup{group}); }
  void cancel(owner::Entry& entry, bool force, bool recursive);
  bool wait_resolved(owner::Entry& entry, detail::Deadline deadline);
  // Why the entry is not resolved yet, for people; empty: not known. Asks the node, for up to half a second.
  std::string why_waits(const owner::Entry& entry);
  // Whether this thread's last wait ended with its deadline, and was long enough for a reason.
  static bool waited_long();
  std::size_t wait_any(std::span<detail::EntryHead* const> entries, std::size_t count, detail::Deadline deadline);
  std::size_t next_completion(Completions& completions);
  // Streams (streams.cc). False: fewer than `count` are ready, or have ended, by the deadline.
  bool await_streams(std::span<detail::EntryHead* const> tasks, std::size_t count, detail::Deadline deadline);
  detail::StreamStep take_item(owner::Entry& task, owner::IncomingStream::Item& item, bool as_object,
                               detail::Deadline deadline);
  void drop_stream(owner::Entry& task);
  // Waits for something that a message of another process changes; gives CPUs back meanwhile (CLIENT-4).
  bool wait_for(const std::function<bool()>& done, detail::Deadline deadline);
  detail::ValueView read_value(owner::Entry& entry);
  SharedValues& shared_values() { return shared_values_; }
  std::shared_ptr<const void> keep_shared(const ObjectId& object, const void* type, std::shared_ptr<const void> value,
                                          std::size_t size_bytes);
  // remote.cc: for values that are read one after the other (detail::ReadAhead)
  void ask_for(std::span<detail::EntryHead* const> entries);
  bool lies_elsewhere(const owner::Entry& entry);
  void bring(std::span<detail::EntryHead* const> entries);
  detail::WireRef export_ref(owner::Entry& entry);
  owner::Entry* import_ref(const detail::WireRef& ref);
  void last_reference_gone(owner::Entry& entry);
  void add_completions(Completions& completions, std::span<detail::EntryHead* const> entries);
  void remove_completions(Completions& completions);
  // ready_list.cc: entries in a list that a loop looks at
  void watch(ReadyList& list, owner::Entry& entry, std::uint64_t token);
  void take_ready(ReadyList& list, std::vector<std::uint64_t>& tokens, std::vector<owner::Entry*>& entries);
  bool arm(ReadyList& list);
  void unwatch(ReadyList& list);

  // That of the task that this thread runs; without one, no stop is possible.
  std::stop_token stop_token();
  // A place for the tasks that a thread runs one after the other, for good.
  RunningTask& add_thread();
  // A task that was asked to stop has ended; threw: without a value. In its thread, before its result is known.
  void stopped_task_ended(TaskContext& task, bool threw);
  // The task of the context had a stop_token.
  void drop_stop_source(RunningTask& task);
  // What the thread runs goes on in a place of its own, from when its coroutine waits until it has ended.
  void keep_running(RunningTask& suspended, RunningTask& thread);
  void ended_running(RunningTask& suspended);

  ClientId self() const { return welcome_.client; }
  std::uint64_t instance() const { return instance_; }  // of the clients that this process has had, from 1
  const std::string& host() const { return welcome_.host; }
  const net::Welcome& welcome() const { return welcome_; }
  net::NodePage& page() { return *page_; }
  net::ClientSlot& slot() { return page_->slots[welcome_.slot]; }
  Arenas& arenas() { return arenas_; }
  OutputSource& output_source() { return output_source_; }
  HostedActor& hosted_actor() { return hosted_actor_; }  // written while no other thread runs user code
  std::vector<net::NodeOfCluster> nodes();
  // Bytes of a stored value, wherever it lies; keepalive: of the memory. Blocks. Errors: object_lost.
  [[nodiscard]] Result<const std::byte*> stored_bytes(const owner::StoredLocation& location,
                                                      std::shared_ptr<const void>& keepalive);
  // In the order of the calls, without blocking. To a node that is gone: dropped, and end_ says so.
  void send(const net::ClientMessage& message);
  void send_to_peer(ClientId to, const net::PeerPacket& packet);
  // The same for what the program has named: invalid_argument if the message is too long.
  [[nodiscard]] Result<void> try_send(const net::ClientMessage& message) { return outbox_.send(net::encode(message)); }
  Outbox& outbox() { return outbox_; }

  // --- for coroutines of the executor; awaits.cc
  // It becomes ready when its entry is resolved, and the executor's doorbell is rung. False: it is resolved.
  bool await(detail::Await& await);
  void forget_await(detail::Await& await);
  detail::Await* take_awaited();
  const Awaits& awaits() const { return awaits_; }
  // The executor looks for results itself while it polls; true: an await is ready.
  bool drain_awaited();
  // From now on the background thread does (CLIENT-1); false: not yet, something is there.
  bool prepare_to_sleep_awaiting();

  // --- for the executor and the links
  Mutex& lock() MANTA_RETURNS_MUTEX(mutex_) { return mutex_; }
  store::Arena& arena() MANTA_REQUIRES(mutex_);
  owner::Owner& owner() MANTA_REQUIRES(mutex_) { return *owner_; }
  void activate(RingLink& link) MANTA_REQUIRES(mutex_);
  detail::WireRef wire_ref(owner::Entry& entry) MANTA_REQUIRES(mutex_) { return owner_->borrowing().export_ref(entry); }
  // A view of a stored value that holds `entry` (one reference of it passes over) while it is used.
  detail::ValueView view_stored(const owner::StoredLocation& location, bool framed, owner::Entry* entry);
  enum class Press : bool { no, yes };  // whether tasks that were not started may be taken back to free space
  // A block; others leave the store for it if they must. Takes the lock, and may wait for other processes: not in the
  // thread that reads the node's messages.
  [[nodiscard]] Result<store::Block> allocate(std::uint64_t size_bytes);
  // The same without waiting, for a task that is being pushed.
  [[nodiscard]] Result<store::Block> allocate_to_push(std::uint64_t size_bytes) MANTA_REQUIRES(mutex_) {
    return allocate_now(size_bytes, Press::no);
  }
  // Of a block that was just allocated, before it is written; without the lock.
  // The arena is there, as the block is, and stays.
  void prepare(const store::Block& block) MANTA_NO_THREAD_SAFETY_ANALYSIS { arena_->prepare(block); }
  // Encodes a value for the store or the heap. Takes the lock itself.
  owner::Value make_value(const serial::Writer& value, std::size_t inline_limit);

 private:
  Client(net::ControlSocket node, WorkerHooks* hooks);

  // --- owner::OwnerEffects
  void set_demand(owner::DemandIndex index, const sched::ResourceSet& request, std::uint32_t wanted) override
      MANTA_REQUIRES(mutex_);
  void return_lease(LeaseId lease) override MANTA_REQUIRES(mutex_);
  void kill_worker(LeaseId lease) override MANTA_REQUIRES(mutex_);
  owner::WorkerLink* link_to(ClientId worker) override MANTA_REQUIRES(mutex_);
  void drop_name(const std::string& name, const ObjectId& actor) override MANTA_REQUIRES(mutex_);
  void send(ClientId to, owner::PeerMessage message) override MANTA_REQUIRES(mutex_);
  void stop_task(ClientId worker, const TaskId& task, const owner::Cancellation& how) override MANTA_REQUIRES(mutex_);
  void free_stored(const owner::StoredLocation& location) override MANTA_REQUIRES(mutex_);
  void arena_unused(ClientId arena) override MANTA_REQUIRES(mutex_);
  void stored_unused(const owner::StoredLocation& location) override MANTA_REQUIRES(mutex_);
  void replicate(std::vector<owner::Replica> replicas) override MANTA_REQUIRES(mutex_);
  void withdraw(std::vector<ObjectId> objects) override MANTA_REQUIRES(mutex_);
  void tried_again(const std::string& what, std::uint32_t attempt, const std::string& why) override
      MANTA_REQUIRES(mutex_);
  void restarts(const owner::Restart& restart) override MANTA_REQUIRES(mutex_);
  std::chrono::nanoseconds now() const override { return Clock::now().time_since_epoch(); }
  void unread_failure(const std::string& what, const Error& error) override MANTA_REQUIRES(mutex_);
  void resolved(owner::Entry& entry) override MANTA_REQUIRES(mutex_);
  bool restore(owner::Entry& entry) override MANTA_REQUIRES(mutex_);
  void free_spilled(const owner::SpilledExtent& extent) override MANTA_REQUIRES(mutex_);
  std::string not_spilled() const override MANTA_REQUIRES(mutex_);

  void start();
  // messages.cc
  void read_messages();
  void handle(net::NodeMessage message, std::vector<Fd>& descriptors);
  void on_granted(const net::Granted& granted, std::vector<Fd>& descriptors);
  void on_client_died(const net::ClientDied& died);
  RingLink* open_ring(ClientId worker, std::uint32_t worker_slot, std::vector<Fd>& descriptors) MANTA_REQUIRES(mutex_);
  void on_peer_packet(ClientId from, const std::vector<std::byte>& bytes);
  void node_lost();
  // client.cc
  void keep_own_arena() MANTA_REQUIRES(mutex_);
  // remote.cc
  bool is_remote(ClientId client) const { return node_of(client) != node_of(self()); }
  const owner::StoredLocation* location_elsewhere(const owner::Entry& entry) const;  // null: it lies on no other node
  detail::ValueView view_elsewhere(const owner::StoredLocation& location, bool framed,
                                   std::shared_ptr<owner::Entry> hold);
  bool moved_on(const owner::Entry& entry, const owner::StoredLocation& from);
  MessageLink& message_link(ClientId worker) MANTA_REQUIRES(mutex_);
  void on_granted_elsewhere(const net::Granted& granted);
  void on_task_done(ClientId worker, const net::TaskDone& done) MANTA_REQUIRES(mutex_);
  void on_tasks_returned(ClientId worker, const net::TasksReturned& tasks) MANTA_REQUIRES(mutex_);
  void on_worker_blocked(ClientId worker, bool blocked) MANTA_REQUIRES(mutex_);
  void remote_lease_ended(LeaseId lease, const std::string& status) MANTA_REQUIRES(mutex_);
  void remote_worker_died(ClientId worker, const std::string& status) MANTA_REQUIRES(mutex_);
  owner::ShapeIndex shape_of(const TaskOptions& options) MANTA_REQUIRES(mutex_);
  TaskContext& context() MANTA_REQUIRES(mutex_);
  void background();
  void wake_background();
  owner::NewTask new_task(detail::FunctionId function, const serial::Writer& values, std::uint32_t ref_mask,
                          std::span<detail::EntryHead* const> references);
  // cancelling.cc
  void on_stop_task(ClientId from, const net::StopTask& stop);
  // actors.cc
  void on_ring(const net::RingTo& message, std::vector<Fd>& descriptors);
  net::Named ask_for_name(net::ClientMessage question, std::uint64_t request);
  owner::Entry* adopt_named(const net::Named& named, const std::string& name, const std::string& type);
  void wait_for_ending_actors();
  // output.cc
  void start_output();
  void end_output();
  void await_timelines();
  // spilling.cc
  bool spills() const;
  std::uint64_t spill(std::uint64_t bytes, Press press) MANTA_REQUIRES(mutex_);
  void spill_failed(const Error& error) MANTA_REQUIRES(mutex_);
  [[nodiscard]] Result<store::Block> allocate_now(std::uint64_t size_bytes, Press press) MANTA_REQUIRES(mutex_);
  std::uint64_t ask_for_space(std::uint64_t bytes);
  void on_space_made(const net::SpaceMade& made);
  void no_more_space();
  void make_space(const net::MakeSpace& make);
  void read_back(owner::Entry& entry, const store::Block& block) MANTA_REQUIRES(mutex_);
  void restore_to_read(owner::Entry& entry, std::uint64_t size_bytes);
  // waiting.cc
  bool drain() MANTA_REQUIRES(mutex_);  // true: there were results
  bool prepare_sleep() MANTA_REQUIRES(mutex_);
  bool waits_for_this_cpu() MANTA_REQUIRES(mutex_);
  template <class Predicate>
  bool wait_until(Predicate done, detail::Deadline deadline);
  template <class Predicate>
  bool poll(Predicate done, detail::Deadline deadline);
  bool run_here(owner::Entry& entry);
  bool fits_here(const owner::Entry& entry) const MANTA_REQUIRES(mutex_);

  static std::atomic<Client*> current_;
  static std::atomic<std::uint64_t> instances_;

  const std::uint64_t instance_ = ++instances_;

  net::ControlSocket node_;
  Outbox outbox_{node_};
  WorkerHooks* hooks_;
  net::Welcome welcome_;
  net::NodePage* page_ = nullptr;
  Fd arena_memory_ MANTA_GUARDED_BY(mutex_);
  std::unique_ptr<store::Arena> arena_ MANTA_GUARDED_BY(mutex_);
  Arenas arenas_;
  RemoteBlocks remote_blocks_;
  std::vector<net::NodeOfCluster> nodes_ MANTA_GUARDED_BY(mutex_);  // alive
  Pins pins_;
  SharedValues shared_values_;
  Spilling spilling_ MANTA_GUARDED_BY(mutex_);
  SpaceAnswers space_answers_;
  Stalls stalls_;
  UnreadFailures unread_ MANTA_GUARDED_BY(mutex_);

  Mutex mutex_;
  std::unique_ptr<owner::Owner> owner_ MANTA_PT_GUARDED_BY(mutex_);
  std::map<ClientId, std::unique_ptr<RingLink>> ring_links_ MANTA_GUARDED_BY(mutex_);
  std::map<ClientId, std::unique_ptr<MessageLink>> message_links_ MANTA_GUARDED_BY(mutex_);
  std::array<std::vector<RingLink*>, 64> groups_ MANTA_GUARDED_BY(mutex_);
  std::vector<RingLink*> active_ MANTA_GUARDED_BY(mutex_);
  std::map<owner::Entry*, std::vector<std::pair<Completions*, std::size_t>>> watchers_ MANTA_GUARDED_BY(mutex_);
  std::unordered_map<owner::Entry*, std::vector<std::pair<ReadyList*, std::size_t>>> ready_watchers_
      MANTA_GUARDED_BY(mutex_);  // never walked
  Awaits awaits_ MANTA_GUARDED_BY(mutex_);
  TaskContext root_ MANTA_GUARDED_BY(mutex_);  // of threads that run no task
  RunningTasks running_tasks_ MANTA_GUARDED_BY(mutex_);
  TaskOptions last_options_ MANTA_GUARDED_BY(mutex_);
  owner::ShapeIndex last_shape_ MANTA_GUARDED_BY(mutex_) = 0;
  bool have_last_shape_ MANTA_GUARDED_BY(mutex_) = false;
  std::atomic<std::uint32_t> waiters_{0};  // threads that wait, polling or asleep
  bool node_gone_ MANTA_GUARDED_BY(mutex_) = false;
  std::optional<Error> end_ MANTA_GUARDED_BY(mutex_);  // why nothing can be submitted any more
  std::map<std::uint64_t, std::optional<net::Named>> names_asked_ MANTA_GUARDED_BY(mutex_);       // by request
  std::map<std::uint64_t, std::optional<net::GroupMade>> groups_asked_ MANTA_GUARDED_BY(mutex_);  // by request
  Adoptions adoptions_ MANTA_GUARDED_BY(mutex_);
  CondVar names_answered_;  // of the three
  std::uint64_t next_request_ MANTA_GUARDED_BY(mutex_) = 1;

  HostedActor hosted_actor_;                // of a worker
  OutputSource output_source_;              // of a worker
  std::unique_ptr<OutputPrinter> printer_;  // of the driver, if workers' output comes here

  std::thread reader_;
  std::thread background_;
  Mutex background_mutex_;
  CondVar background_wake_;
  std::atomic<bool> background_parked_{true};
  bool background_stop_ MANTA_GUARDED_BY(background_mutex_) = false;
};

// What as_completed and wait for some of many keep while they wait. Under the client's lock, but for count.
class Completions {
 public:
  void add(std::size_t index) {
    ready.push_back(index);
    count.store(ready.size(), std::memory_order_release);
  }

  std::vector<std::size_t> ready;     // indices, in order of completion
  std::atomic<std::size_t> count{0};  // of them; the thread that waits reads it without the lock
  std::size_t taken = 0;              // by that thread
  std::vector<owner::Entry*> entries;
};

}  // namespace manta::client
