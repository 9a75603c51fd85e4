// Runs a program's tasks and actors in the program's own process (MANTA_LOCAL=1).
//
//   LOCAL-1  a task runs in the thread that submits it, before remote() returns, unless its arguments are not there
//            yet, half of the stack is used, or its actor is busy. Then the first thread of the program that submits
//            something or waits runs it, once that may be
//   LOCAL-2  calls of an actor begin in the order in which they were made, at most max_concurrency at a time, and those
//            of an actor with coroutines never on top of each other. What waits for a call that cannot begin is a
//            warning after 2 s
//   LOCAL-3  a generator has a thread of its own, since its reader takes items meanwhile
//   LOCAL-4  a worker whose lease has ended (manta::kill, cancelled by force, a group that is removed) begins nothing
//            more; its lease ends for the owner once what runs there has returned
//
// What waits for a task by other means than Manta's (a barrier, a collective) waits for ever, unless another thread of
// the program submitted the other side. Resources are not counted, time limits not applied, variables and library
// threads of tasks not set.
//
// Threading: any thread. Ownership: lives until the process ends (LocalRunner); the client from attach() to finish().
// An actor whose worker was ended by manta::kill, or that is alive at the end of the program, is kept as it is: its
// destructor does not run, as in a process that is killed.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/client/local_runner.h"
#include "core/client/stopping.h"
#include "core/worker/local_task.h"
#include "core/worker/local_worker.h"

namespace manta::worker {

class LocalWorkers final : public client::LocalRunner, client::StopEffects, CallEffects {
 public:
  using Clock = std::chrono::steady_clock;

  LocalWorkers() : suspended_(*this) {}
  // In ProcessRole::begin.
  void attach(client::Client& client);
  // What the program sends to one of its workers, or to its streams. False: it is for neither.
  bool receive(ClientId from, net::PeerPacket& packet);
  // Generators end.
  void connection_ended();
  // After the client has stopped: waits until no task runs, and drops all. False: one still runs at the deadline, and
  // refers to the client.
  bool finish(Clock::time_point deadline);

  // --- client::LocalRunner
  owner::WorkerLink& granted(const net::Granted& granted) override MANTA_REQUIRES(client::owner_mutex);
  owner::WorkerLink* link_to(ClientId worker) override MANTA_REQUIRES(client::owner_mutex);
  void lease_returned(LeaseId lease) override MANTA_REQUIRES(client::owner_mutex);
  void lease_ended(LeaseId lease, const std::string& status) override MANTA_REQUIRES(client::owner_mutex);
  void clear() override MANTA_REQUIRES(client::owner_mutex);
  void submitted(owner::Entry& entry) override;
  void run_ready() override;
  bool run_next() override;
  Clock::time_point look_again() override;

 private:
  // A task that has been taken, and is found by those that stop it.
  struct Running {
    std::shared_ptr<LocalWorker> worker;
    std::unique_ptr<LocalTask> task;
    client::RunningTask place{client::RunningTask::Place::stack};
    bool coroutines = false;  // holds the right to run coroutines
    bool stream = false;
  };
  struct Leaving;
  using Workers = std::map<ClientId, std::shared_ptr<LocalWorker>>;

  // --- client::StopEffects
  bool take_back_task(ClientId, const TaskId&) override { return false; }  // the link does
  void suspended_stopped() override;

  // --- CallEffects
  bool resumes(IncomingTask& task, const client::TaskContext& context) override;
  void paused(IncomingTask& task) override;
  void ended(IncomingTask& task, client::TaskContext& context, client::TaskInput& input, Ended& ended) override {
    settle(arguments_, task, context, input, ended);
  }

  bool is_on_its_way(const owner::Entry& entry) MANTA_REQUIRES(client::owner_mutex);
  bool may_run(const LocalItem& item) const MANTA_REQUIRES(client::owner_mutex);
  std::unique_ptr<Running> take() MANTA_REQUIRES(client::owner_mutex);
  void execute(std::unique_ptr<Running> running);
  void begin_generator(std::unique_ptr<Running> running);
  bool resume();
  void left(LocalWorker& worker) MANTA_REQUIRES(client::owner_mutex);
  Workers::iterator find(LeaseId lease) MANTA_REQUIRES(client::owner_mutex);
  void drop(Workers::iterator worker) MANTA_REQUIRES(client::owner_mutex);
  // A thread waits, and nothing can run: if that lasts, why.
  void look_for_a_deadlock(Clock::time_point now) MANTA_REQUIRES(client::owner_mutex);

  client::Client* client_ = nullptr;
  std::atomic<bool> finished_{false};
  Arguments arguments_;
  OutgoingStreams streams_;
  SuspendedCalls suspended_;
  LocalQueue queue_ MANTA_GUARDED_BY(client::owner_mutex);
  Workers workers_ MANTA_GUARDED_BY(client::owner_mutex);
  std::vector<std::shared_ptr<LocalWorker>> dead_ MANTA_GUARDED_BY(client::owner_mutex);  // whose coroutines still wait
  bool begins_none_ MANTA_GUARDED_BY(client::owner_mutex) = false;
  // Coroutines of all actors run in one thread at a time, which may come back to them: this one, so often.
  std::thread::id coroutines_in_ MANTA_GUARDED_BY(client::owner_mutex);
  std::uint32_t coroutines_deep_ MANTA_GUARDED_BY(client::owner_mutex) = 0;
  // The first task that may not run, since when, and whether a line says so.
  struct Stuck {
    owner::Entry* task = nullptr;
    Clock::time_point since;
    bool said = false;
  } stuck_ MANTA_GUARDED_BY(client::owner_mutex);
  Mutex threads_mutex_;
  CondVar task_ended_;
  std::size_t running_ MANTA_GUARDED_BY(threads_mutex_) = 0;  // tasks, in all threads
};

}  // namespace manta::worker
