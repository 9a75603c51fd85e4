// Runs the tasks that have come in, one after the other, and hosts the actor that one of them makes.
//
//   EXEC-2  a result is complete, and references in it are borrowed, before its submitter sees it
//
// Threading: the threads that run tasks; of an actor with coroutines one only. Ownership: owns the actor; all
// references must outlive it.
#pragma once

#include "core/client/client.h"
#include "core/worker/actor_host.h"
#include "core/worker/arguments.h"
#include "core/worker/incoming_task.h"
#include "core/worker/streaming.h"
#include "core/worker/suspended_calls.h"

namespace manta::worker {

// What differs between a process that is a worker, and workers that share the program's process (local_workers.h).
class HostEffects {
 public:
  virtual ~HostEffects() = default;
  // A constructor has ended: from now on calls come.
  virtual void actor_made() = 0;
  // The actor's last handle is gone: the destructor is to run, after which nothing comes.
  virtual void actor_ends() = 0;
  // User code has called pthread_exit, which the thread cannot survive. The reply is sent.
  virtual void thread_ends() = 0;
};

class TaskHost {
 public:
  TaskHost(const Arguments& arguments, OutgoingStreams& streams, SuspendedCalls& suspended, HostEffects& effects)
      : arguments_(arguments), streams_(streams), suspended_(suspended), effects_(effects) {}
  // Before the first task.
  void attach(client::Client& client) { client_ = &client; }

  // place: where other threads find what this one runs, to stop it. The task has begun there.
  void execute(IncomingTask& task, client::RunningTask& place);
  // Its frames that wait are destroyed, then the destructor runs. What that throws is logged.
  void destroy_actor();

  const ActorHost& actor() const { return actor_; }
  // The CPUs that the task may use: its lease's, or its actor's. In ten-thousandths.
  std::uint32_t cpus_of(const IncomingTask::Head& head) const {
    return head.kind == net::TaskKind::method ? actor_.cpus() : head.cpus;
  }
  const client::HostedActor& identity() const { return identity_; }

 private:
  static Error thread_ended(const client::TaskInput& input);

  const Arguments& arguments_;
  OutgoingStreams& streams_;
  SuspendedCalls& suspended_;
  HostEffects& effects_;
  client::Client* client_ = nullptr;
  ActorHost actor_;
  client::HostedActor identity_;
};

// The reply, after the end of the function.
void settle(const Arguments& arguments, IncomingTask& task, client::TaskContext& context, client::TaskInput& input,
            Ended& ended);

}  // namespace manta::worker
