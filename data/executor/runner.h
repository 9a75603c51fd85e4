// Where work is done: in tasks and actors of Manta, or in this process where Manta does not run.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include <manta/actor.h>
#include <manta/data/dataset.h>
#include <manta/ref.h>

#include "data/executor/work.h"

namespace manta::data::executor {

// A block that is being made elsewhere, or is here.
struct Piece {
  Ref<Output> ref;
  std::optional<Output> here;
};
// Its value; waits. Throws what making it threw.
Output value_of(const Piece& piece);
// It is not wanted any more: a task that has not started does not.
void drop(const Piece& piece);

// Limits of a plan that runs, with nothing left to choose.
struct Limits {
  bool tasks = false;  // Manta runs
  double num_cpus = 1;
  std::int64_t budget_bytes = 0;
  std::int64_t max_blocks = 0;
  std::int64_t block_bytes = 0;  // aimed at
  double task_cpus = 1;          // of a task that says nothing else

  static Limits of(const ExecutionOptions& options);
  // For plans that feed consumers, which may hold all CPUs: tasks ask for none, and no more of them run than there are
  // CPUs.
  void feed();
  bool feeds() const { return task_cpus == 0; }
  std::int64_t worker_engine_bytes() const;
  // Gives this process' engine its part of the budget. relational: no workers share it.
  void apply(bool relational) const;
};

// Steps after each other that run in one process: fused into one task for each block, or kept in a pool of actors.
//
// Threading: one thread. Errors: as remote<f>; of a Piece, value_of throws them.
class Stage {
 public:
  Stage(const Limits& limits, const StepOptions& options, bool actors, bool keep_bad_rows);

  // Whether steps with such options may join this stage.
  bool takes(const StepOptions& options, bool actors) const;
  void add(detail::Step step) { work_.steps.push_back(std::move(step)); }
  bool actors() const { return actors_; }

  Piece scan(const Scan& scan) const;  // only where there are no actors
  Piece run(const Piece& input);
  // At most kInputs pieces with the same rows, for gather.
  std::vector<Piece> joined(std::vector<Piece> pieces) const;
  Piece gather(const std::vector<Piece>& inputs, std::uint64_t seed, std::int64_t part, std::int64_t parts) const;

 private:
  struct Member {
    Actor<Steps> actor;
    std::deque<Ref<Output>> calls;  // that may not have ended
  };
  Member& least_busy();
  TaskOptions task_options() const;

  Limits limits_;
  StepOptions options_;
  bool actors_;
  Work work_;
  std::deque<Member> pool_;
  std::unique_ptr<Steps> local_;
};

}  // namespace manta::data::executor
