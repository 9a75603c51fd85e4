// Runs a program's tasks and actors in the program's own process (MANTA_LOCAL=1).
//
//   LOCAL-1  a task runs in the thread that submits it, before remote() returns; a call of an actor that is busy
//            meanwhile runs when that is free, in the thread that had it
//   LOCAL-2  calls of an actor run in the order in which they were made, at most max_concurrency at a time, and those
//            of an actor with coroutines never on top of each other
//            A thread that waits for a call that cannot run says so after 2 s
//   LOCAL-3  a generator has a thread of its own, since its reader takes items meanwhile
//
// What waits for a task by other means than Manta's (a barrier, a collective) waits for ever, unless another thread of
// the program submitted the other side. Resources are not counted, time limits not applied, variables and library
// threads of tasks not set.
//
// Threading: any thread. Ownership: outlives the client. An actor whose worker was ended by manta::kill, or that is
// alive at the end of the program, is kept as it is: its destructor does not run, as in a process that is killed.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "core/client/local_runner.h"
#include "core/client/stopping.h"
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
  // After the client has stopped: waits until no generator runs, and lets go of the client. False: one still runs at
  // the deadline, and refers to the client.
  bool finish(Clock::time_point deadline);

  // --- client::LocalRunner
  owner::WorkerLink& granted(const net::Granted& granted) override;
  owner::WorkerLink* link_to(ClientId worker) override;
  void forget(ClientId worker) override;
  void submitted(owner::Entry& entry) override;
  void run_ready() override;
  bool run_next() override;
  Clock::time_point look_again() override;

 private:
  struct Next {
    std::shared_ptr<LocalWorker> worker;
    owner::Entry* task = nullptr;
  };

  // --- client::StopEffects
  bool take_back_task(ClientId, const TaskId&) override { return false; }  // the link does
  void suspended_stopped() override { suspended_.stopped(); }

  // --- CallEffects
  void resumes(const client::TaskContext&) override {}
  void ended(IncomingTask& task, client::TaskContext& context, client::TaskInput& input, Ended& ended) override {
    settle(arguments_, task, context, input, ended);
  }

  bool is_on_its_way(const owner::Entry& entry) MANTA_REQUIRES(client::owner_mutex);
  bool take(Next& next) MANTA_REQUIRES(client::owner_mutex);
  bool may_run(const LocalWorker& worker) const MANTA_REQUIRES(client::owner_mutex);
  bool wait_for_generators(Clock::time_point deadline);
  void execute(const Next& next);
  void begin_generator(const Next& next);
  bool resume();
  void enter_coroutines() MANTA_REQUIRES(client::owner_mutex);
  // A thread waits, and nothing can run: if that lasts, why.
  void look_for_a_deadlock(Clock::time_point now) MANTA_REQUIRES(client::owner_mutex);

  client::Client* client_ = nullptr;
  Arguments arguments_;
  OutgoingStreams streams_;
  SuspendedCalls suspended_;
  LocalQueue queue_ MANTA_GUARDED_BY(client::owner_mutex);
  std::map<ClientId, std::shared_ptr<LocalWorker>> workers_ MANTA_GUARDED_BY(client::owner_mutex);
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
  CondVar thread_ended_;
  std::size_t generators_ MANTA_GUARDED_BY(threads_mutex_) = 0;  // that run
};

}  // namespace manta::worker
