// A user's program, made up at random: the body of a task, or a driver's main.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/owner/entry.h"
#include "core/testing/sim_oracle.h"
#include "core/testing/sim_random.h"

namespace manta::sim {

class SimProcess;
struct World;

// One Ref<T> of a program: it counts as one reference of its entry.
struct Variable {
  owner::Entry* entry = nullptr;
  ObjectKey key;
  std::uint64_t number = 0;  // the Oracle's, of the process' own objects
  bool actor = false;        // a handle

  ObjectName name() const { return {key, number}; }
};

// What a function id says about the task: all that a worker learns of it besides its arguments.
struct ProgramKind {
  std::uint8_t depth = 0;
  bool may_wait = true;  // whether it may wait for what is not there yet
  bool driver = false;

  detail::FunctionId function() const { return {depth | std::uint64_t{may_wait} << 8}; }
  static ProgramKind of(detail::FunctionId id) {
    return {static_cast<std::uint8_t>(id.value & 0xff), (id.value & 0x100) != 0, false};
  }
};

// Draws from the run's seed, its task's id and nothing else, so that a repeated attempt does the same, as far as the
// same comes back from what it asks for. It never waits for something newer than itself, so it cannot deadlock.
//
// Threading: none. Ownership: holds its variables until they are taken or dropped.
class Program {
 public:
  enum class Step : std::uint8_t { pause, wait, end };

  Program(World& world, SimProcess& process, ProgramKind kind, TaskId id, std::uint16_t attempt,
          std::vector<Variable> arguments);

  // Does one thing. pause: call again after pause_time(). wait: call again when wait_is_over().
  Step step();
  Time pause_time() const { return pause_; }
  const std::vector<owner::Entry*>& awaited() const { return awaited_; }
  bool wait_is_over() const;
  // It is to end: its waits throw.
  void stop(const owner::Cancellation& how) { stopped_ = how; }
  const std::optional<owner::Cancellation>& stopped() const { return stopped_; }
  TaskId id() const { return id_; }
  std::uint64_t children() const { return children_; }  // submitted so far
  Time wait_deadline() const { return deadline_; }

  // After end. The result's references are among the variables.
  bool threw() const { return threw_; }
  bool leaves_early() const { return leaves_early_; }
  const std::vector<std::size_t>& results() const { return results_; }
  const std::vector<Variable>& variables() const { return variables_; }
  std::vector<Variable>& variables() { return variables_; }
  void drop_variables();

 private:
  Step end();
  void submit_some();
  void submit_one();
  void put_one();
  Step wait_some();
  void finish_wait();
  void look_at(std::size_t variable);
  void drop_one();
  void hand_out();
  bool cancel_one();
  bool enough_is_there() const;
  void add(Variable variable);
  std::vector<owner::Entry*> pick(std::size_t most, bool handles = true);
  // sim_program_actors.cc
  bool use_actors();
  bool create_actor();
  void call_some(owner::Entry& handle);
  std::vector<owner::Entry*> pick_arguments(std::size_t most);

  World& world_;
  SimProcess& process_;
  ProgramKind kind_;
  TaskId id_;
  std::uint16_t attempt_;
  Random random_;
  std::uint32_t ops_left_;
  std::uint64_t children_ = 0;
  std::uint64_t puts_ = 0;
  std::vector<Variable> variables_;
  std::vector<owner::Entry*> awaited_;  // held by variables
  std::size_t awaited_count_ = 0;       // how many of them are enough
  Time deadline_ = Time::max();
  Time pause_{0};
  bool threw_ = false;
  std::optional<owner::Cancellation> stopped_;
  bool leaves_early_ = false;
  std::vector<std::size_t> results_;
};

}  // namespace manta::sim
