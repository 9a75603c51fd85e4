// What a worker process does: claims tasks from its submitters' rings, runs them, writes the results; or hosts
// one actor, and runs what all its callers ask for.
//
//   EXEC-1  one task at a time, in order per submitter; tasks on its own stack apart (see Client::run_here). An actor
//           with max_concurrency above 1: so many threads, each claims in order; or, where its class has methods that
//           are coroutines, so many calls under way in the main thread (EXEC-5)
//   EXEC-2  a result is complete, and references in it are borrowed, before its record says done
//   EXEC-3  a block that carries a result lives until the submitter has freed the record
//
//   EXEC-4  a worker that hosted an actor hosts nothing else after it: its process ends with the actor, whose last
//           handle is gone (the destructor runs) or whose owner has died (it runs if no method does)
//
//   EXEC-5  a call whose coroutine waits is kept, with its arguments, and answered when that has ended; frames that
//           wait when the actor ends are destroyed before it
//
// Threading: run() is the main thread; hooks come from the client's reading thread, except those of waits. With several
// threads (concurrent_), rings_mutex_ guards the rings and what Incoming says of them. Ownership: owns its ends of the
// rings. The process ends with the node (parent-death signal, end of the control socket).
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <vector>

#include <manta/function.h>
#include <manta/serial/writer.h>

#include "core/base/mutex.h"
#include "core/client/client.h"
#include "core/client/run_task.h"
#include "core/net/task_ring.h"
#include "core/net/task_ring_inl.h"
#include "core/worker/coroutines.h"
#include "core/worker/lending.h"
#include "core/worker/remote_tasks.h"
#include "core/worker/streaming.h"

namespace manta::worker {

class Executor final : public client::WorkerHooks, LendingEffects {
 public:
  Executor() : lending_(*this) {}
  // Runs what its submitters ask for, until the process ends.
  [[noreturn]] void run(client::Client& client);

  void open_ring(const net::OpenRing& message, Fd ring) override;
  void close_ring(ClientId submitter) override;
  void client_died(ClientId client) override;
  std::uint64_t wait_begins() override { return lending_.wait_begins(); }
  void wait_ends(std::uint64_t wait) override { lending_.wait_ends(wait); }
  void run_task(ClientId submitter, net::RunTask task) override;
  void take_back_tasks(ClientId submitter) override;
  bool take_back_task(ClientId submitter, const TaskId& task) override;
  void suspended_stopped() override;
  void stream_credit(ClientId reader, const owner::StreamCredit& credit) override { streams_.credit(reader, credit); }
  void stream_stop(ClientId reader, const owner::StreamStop& stop) override { streams_.stop(reader, stop); }

 private:
  struct Incoming {
    ClientId submitter;
    net::RingMemory* memory = nullptr;
    net::RingWorker ring;
    std::deque<std::pair<const net::Record*, std::uint64_t>> blocks;  // of results not yet taken, oldest first
    std::uint32_t running = 0;                                        // records claimed
    bool closing = false;                                             // as soon as nothing runs
  };
  struct Event {
    enum class Kind : std::uint8_t { open, close, died } kind;
    net::OpenRing incoming;
    Fd ring;
  };
  // A claimed record.
  struct Work {
    Incoming* incoming = nullptr;
    net::Record* record = nullptr;
    std::optional<std::uint64_t> block;  // of its result
  };

  static client::RunningTask*& this_thread();  // where what it runs is found
  // How a task's function ended: a result, or an error.
  struct Ended {
    serial::Writer result;
    Error error{ErrorCode::internal, ""};
    bool user_exception = false;
    bool ok = false;
    std::optional<std::uint64_t> items;  // of a generator that had begun: how many it made
  };
  // A call whose coroutine waits (context.coroutine). Of a record, or of a message from another node.
  struct Suspended {
    Work work;
    ClientId submitter;  // elsewhere
    std::uint64_t position = 0;
    client::TaskInput input;  // what arguments may refer to
    client::TaskContext context;
    client::RunningTask running{client::RunningTask::Place::coroutine};
    std::list<Suspended>::iterator self;
  };

  // worker_main.cc
  [[noreturn]] void run_thread();
  static Error thread_ended(const client::TaskInput& input);

  // LendingEffects
  void tell_node(bool lent) override { client_->send(net::Blocked{lent}); }
  void tell_remote(ClientId submitter, bool lent) override;

  // Whether rings_mutex_ is needed: the main thread is alone before.
  bool several_threads() const { return concurrent_.load(std::memory_order_relaxed); }
  void loop();
  void apply_events();
  void open(const Event& event) MANTA_REQUIRES(rings_mutex_);
  void close(ClientId submitter) MANTA_REQUIRES(rings_mutex_);
  void erase(Incoming& incoming) MANTA_REQUIRES(rings_mutex_);
  bool next(Work& work);
  bool submitter_waits_for_this_cpu();
  void leave_others_to_look() MANTA_REQUIRES(rings_mutex_);
  bool run_ready();
  bool prepare_sleep();
  void free_taken_blocks(Incoming& incoming) MANTA_REQUIRES(rings_mutex_);
  void execute(Work& work);
  void settle(Work& work, client::TaskContext& context, client::TaskInput& input, Ended& ended);
  // coroutine_calls.cc
  Suspended& suspend(client::TaskContext& context, client::TaskInput& input);
  void end_stopped();
  bool run_coroutines();
  void end_suspended(Suspended& call, Ended& ended);
  bool full() const { return hosts_coroutines_ && suspended_count_ >= concurrency_; }
  bool sleep_beside_coroutines(net::Doorbell& bell, std::uint32_t seen);
  void finish(Work& work);
  // actor.cc
  struct Hosted {
    detail::ActorInstance instance;
    ClientId owner;
    std::uint32_t cpus = 0;
    std::uint32_t concurrency = 1;
  };
  bool attach_actor(net::TaskKind kind, client::TaskContext& context, detail::ActorInstance& made, Error& error);
  void host(const Hosted& actor);
  [[noreturn]] void end_with_actor(bool destroy);
  void read_input(const net::Record& record, client::TaskContext& context, client::TaskInput& input);
  std::span<const std::byte> read_block(ClientId arena, std::uint64_t offset, std::uint64_t size,
                                        client::TaskInput& input);
  void write_value(Work& work, const serial::Writer& result);
  void write_parts(Work& work, client::ReplyParts parts);
  void write_error(Work& work, const Error& error, client::ReplyParts parts);
  bool write_block(Work& work, std::size_t size, const std::function<void(std::byte*)>& fill);
  void read_parts(std::span<const std::byte> bytes, client::TaskContext& context, client::TaskInput& input);
  // remote_tasks.cc
  bool run_remote();
  void execute_remote(ClientId submitter, net::RunTask task);
  void settle_remote(ClientId submitter, std::uint64_t position, client::TaskContext& context, client::TaskInput& input,
                     Ended& ended);
  std::vector<detail::WireRef> settle_imports(client::TaskContext& context);
  void set_threads(std::uint32_t cpus);

  client::Client* client_ = nullptr;
  std::vector<std::unique_ptr<Incoming>> rings_ MANTA_GUARDED_BY(rings_mutex_);
  RemoteTasks remote_;
  Lending lending_;
  OutgoingStreams streams_;
  // The incoming that is served, and how many records of it in a row.
  std::size_t turn_ MANTA_GUARDED_BY(rings_mutex_) = 0;
  std::uint32_t served_ MANTA_GUARDED_BY(rings_mutex_) = 0;
  detail::ActorInstance actor_;  // none: object is null
  ClientId actor_owner_;
  std::uint32_t actor_cpus_ = 0;
  std::uint32_t concurrency_ = 1;
  std::atomic<bool> concurrent_{false};
  bool hosts_coroutines_ = false;
  Coroutines coroutines_;
  std::list<Suspended> suspended_;
  std::size_t suspended_count_ = 0;
  std::atomic<bool> stops_{false};  // some of them were asked to stop
  Mutex rings_mutex_;
  Mutex events_mutex_;
  std::vector<Event> events_ MANTA_GUARDED_BY(events_mutex_);
  std::atomic<bool> have_events_{false};
};

// A worker process, from its control socket to its end.
[[noreturn]] void worker_main(Fd control);

}  // namespace manta::worker
