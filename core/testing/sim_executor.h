// The thread of a process that runs programs: a worker's executor, a driver's main.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/owner/owner.h"
#include "core/testing/sim_program.h"
#include "core/testing/sim_ring.h"

namespace manta::sim {

class SimProcess;
struct World;

// One program runs. Below it on the stack are the programs that wait for it: a task that waits runs its own unstarted
// children in its place. A leased task that still waits after kBlockAfter tells its node and its submitter.
//
// Threading: none. Ownership: part of its process, whose Owner it calls.
class SimExecutor {
 public:
  SimExecutor(World& world, SimProcess& process) : world_(world), process_(process) {}

  void run_main(TaskId id);
  void wake();  // something happened that it may wait for
  void stop() { stack_.clear(); }
  // What has ended, or has not begun, is not there.
  void stop_task(ClientId submitter, const TaskId& task, const owner::Cancellation& how);
  std::uint64_t run() const { return stack_.empty() ? 0 : stack_.back()->run; }  // the Oracle's; 0: main
  bool idle() const { return stack_.empty(); }
  // The process hosts one actor at most, and ends with it.
  bool hosts_actor() const { return actor_ != 0; }
  bool hosts_actor_of(ClientId owner) const { return actor_ != 0 && actor_owner_ == owner; }
  std::uint64_t actor() const { return actor_; }  // the Oracle's number
  void end_actor();                               // after the method that runs
  ClientId submitter() const;                     // of the leased task that runs; none: no task does
  std::string what_runs() const;
  // Everything that the programs on the stack hold, and what was imported for them.
  void for_each_variable(const std::function<void(Variable&)>& f);
  // Imported from the arguments of the leased task that runs now.
  const std::vector<Variable>& imported() const;
  const RingRecord* running() const { return stack_.empty() ? nullptr : stack_.front()->record; }

 private:
  struct Frame {
    std::unique_ptr<Program> program;
    std::uint64_t run = 0;          // of the Oracle; 0: a driver's main
    std::shared_ptr<SimRing> ring;  // of a leased task
    RingRecord* record = nullptr;
    owner::Entry* entry = nullptr;   // of a task that runs in its submitter
    std::vector<Variable> imported;  // the edge's own references while it runs
    bool waits = false;
    std::uint64_t wait = 0;  // number of the wait
  };
  void schedule(Time delay);
  void step();
  bool claim_from_rings();
  bool claim_awaited(Frame& frame);
  void begin_leased(std::shared_ptr<SimRing> ring, RingRecord& record);
  void begin_here(owner::Entry& entry);
  void take_end(SimRing& ring, RingRecord& record);
  void leave();
  void import(Frame& frame, const detail::WireRef& ref, ClientId from, std::vector<Variable>& variables);
  std::vector<Variable> import_all(Frame& frame, const owner::Value& arguments,
                                   const std::vector<const owner::Value*>& references, ClientId from, bool excused);
  void wait(Frame& frame);
  void set_blocked(bool blocked);
  void end_frame();
  owner::Outcome outcome_of(Frame& frame, std::vector<owner::Entry*>& contained);
  void end_leased(Frame& frame);
  void end_here(Frame& frame);
  void end_main(Frame& frame);

  World& world_;
  SimProcess& process_;
  std::vector<std::unique_ptr<Frame>> stack_;
  Frame* ending_ = nullptr;  // no longer on the stack
  Time scheduled_ = Time::max();
  bool blocked_ = false;
  std::uint64_t actor_ = 0;
  ClientId actor_owner_;
  bool ends_ = false;  // the process, as soon as nothing runs
  bool leaving_ = false;
  std::uint64_t waits_ = 0;
};

}  // namespace manta::sim
