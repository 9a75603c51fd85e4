// The blocks of a plan by number: any of them can be made without those before it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "data/executor/runner.h"
#include "data/plan/node.h"

namespace manta::data::executor {

// Threading: one thread. Errors: as Stage.
class Sequence {
 public:
  virtual ~Sequence() = default;

  virtual std::int64_t size() const = 0;
  // Rows of a block, about; 0: not known.
  virtual std::int64_t rows_each() const { return 0; }
  // Starts making block `number`.
  Piece start(std::int64_t number);
  // A further step for each block.
  void add(detail::Step step, const StepOptions& options, bool actors);

 protected:
  Sequence(const Limits& limits, bool keep_bad_rows) : limits_(limits), keep_bad_rows_(keep_bad_rows) {}
  // Block `number` after the first stage, which has no actors.
  virtual Piece source(std::int64_t number, Stage& first) = 0;
  const Limits& limits() const { return limits_; }

 private:
  Limits limits_;
  bool keep_bad_rows_;
  std::vector<Stage> stages_;
};

// Null: the blocks of this plan come only one after the other. most_rows: of a block of the source; 0: as the limits
// say.
std::unique_ptr<Sequence> sequence_of(const plan::NodePtr& node, const ExecutionOptions& options, const Limits& limits,
                                      std::uint64_t epoch = 0, std::int64_t most_rows = 0);

}  // namespace manta::data::executor
