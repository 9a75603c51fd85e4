// What a worker process does: takes tasks from its submitters, runs them, replies; or hosts one actor, and runs what
// all its callers ask for. The parts: IncomingRings and RemoteTasks (what waits), IncomingTask (a task and the way of
// its reply, by ring or by message), TaskHost (the call of the function; the actor), Arguments, SuspendedCalls,
// ReleasedCpus (CPUs while tasks wait), OutgoingStreams.
//
//   EXEC-1  one task at a time, in order per submitter; tasks on its own stack apart (client::InlineTasks). An actor
//           with max_concurrency above 1: so many threads, each claims in order; or, where its class has methods that
//           are coroutines, so many calls under way in the main thread (EXEC-5)
//   EXEC-4  a worker that hosted an actor hosts nothing else after it: its process ends with the actor, whose last
//           handle is gone (the destructor runs) or whose owner has died (it runs if no method does)
//
// Threading: run() is the main thread; ProcessRole and StopEffects are the client's reading thread, BlockedThreads any.
// The process ends with the node (parent-death signal, end of the control socket).
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "core/base/fd.h"
#include "core/base/mutex.h"
#include "core/client/client.h"
#include "core/client/process_role.h"
#include "core/observe/output_source.h"
#include "core/worker/arguments.h"
#include "core/worker/incoming_rings.h"
#include "core/worker/incoming_task.h"
#include "core/worker/released_cpus.h"
#include "core/worker/remote_tasks.h"
#include "core/worker/streaming.h"
#include "core/worker/suspended_calls.h"
#include "core/worker/task_host.h"

namespace manta::worker {

class Executor final : public client::ProcessRole,
                       client::StopEffects,
                       client::BlockedThreads,
                       ReleasedCpusEffects,
                       CallEffects,
                       HostEffects {
 public:
  Executor();
  // Runs what its submitters ask for, until the process ends.
  [[noreturn]] void run();

  // --- client::ProcessRole
  std::string name(const net::Welcome& welcome) const override;
  void begin(client::Client& client) override;
  void receive(net::NodeMessage& message, std::vector<Fd>& descriptors) override;
  bool receive(ClientId from, net::PeerPacket& packet) override;
  void client_died(ClientId client) override;
  void node_died(NodeId) override {}  // its clients are announced
  [[noreturn]] void connection_ended() override;

 private:
  struct Event {
    enum class Kind : std::uint8_t { open, close, died } kind;
    net::OpenRing message;
    Fd ring;
  };

  // --- client::StopEffects
  bool take_back_task(ClientId submitter, const TaskId& task) override;
  void suspended_stopped() override;

  // --- client::BlockedThreads
  std::uint64_t wait_begins() override { return released_cpus_.wait_begins(); }
  void wait_ends(std::uint64_t wait) override { released_cpus_.wait_ends(wait); }

  // --- ReleasedCpusEffects
  void notify_node(bool released) override { client_->node().send(net::Blocked{released}); }
  void notify_submitter(ClientId submitter, bool released) override;

  // --- CallEffects
  bool resumes(IncomingTask& task, const client::TaskContext& context) override;
  void paused(IncomingTask&) override {}
  void ended(IncomingTask& task, client::TaskContext& context, client::TaskInput& input, Ended& ended) override {
    settle(arguments_, task, context, input, ended);
  }

  // --- HostEffects
  void actor_made() override;
  [[noreturn]] void actor_ends() override { end_with_actor(true); }
  [[noreturn]] void thread_ends() override { leave(1); }

  static client::RunningTask*& this_thread();  // where what it runs is found
  [[noreturn]] void run_thread();
  void loop();
  void open_ring(const net::OpenRing& message, std::vector<Fd>& descriptors);
  void add_event(Event event);
  void push_remote(ClientId submitter, net::RunTask task);
  void apply_events();
  void submitter_gone(const Event& event);
  bool run_ready();
  bool run_rings();
  bool run_remote();
  void execute(IncomingTask& task);
  [[noreturn]] void end_with_actor(bool destroy);
  // What this process has printed, recorded and sent goes out before it ends.
  [[noreturn]] void leave(int status);
  // A call ends before the next one begins.
  bool full() const { return actor().has_coroutines() && suspended_.count() >= actor().concurrency(); }
  const ActorHost& actor() const { return host_.actor(); }
  void sleep(net::Doorbell& bell, std::uint32_t seen);

  client::Client* client_ = nullptr;
  Arguments arguments_;
  IncomingRings rings_;
  RemoteTasks remote_;
  ReleasedCpus released_cpus_;
  OutgoingStreams streams_;
  std::optional<observe::OutputSource> output_;  // where the node reads what tasks print
  SuspendedCalls suspended_;
  TaskHost host_;
  Mutex events_mutex_;
  std::vector<Event> events_ MANTA_GUARDED_BY(events_mutex_);
  std::atomic<bool> have_events_{false};
};

// A worker process, from its control socket to its end.
[[noreturn]] void worker_main(Fd control);

}  // namespace manta::worker
