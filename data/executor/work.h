// What workers do: read a part of the files, run steps on a block, gather rows for a shuffle.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <manta/data/block.h>
#include <manta/data/detail/step.h>
#include <manta/ref.h>

namespace manta::data::executor {

// A block, and the rows that were left out on the way to it: columns step, error, row.
struct Output {
  Block block;
  Block bad;
};

// A part of the files, as the engine reads it.
struct Scan {
  std::string sql;
  std::string sql_with_position;  // the same with manta_file and manta_row; empty: not known
  Schema schema;
  std::string place;      // for people
  std::int64_t rows = 0;  // at most, where that is known
};

// One piece of work; travels to workers.
struct Work {
  std::optional<Scan> scan;  // where the input comes from the engine
  std::vector<detail::Step> steps;
  bool keep_bad_rows = false;
  std::int64_t engine_memory_bytes = 0;  // of a worker's engine; 0: this process is none
  std::string spill_folder;              // of a worker's engine
};

// This process runs queries of a plan of its own, whose limits its engine keeps: a task that runs in it, while one of
// its threads waits, must not change them in the middle of a query.
void keep_engine_limits();

// The rows of the scan, through the steps.
Output scan(const Work& work);
// The input, through the steps.
// By value, as the others that take an Output: what a task takes by reference, its process keeps for a while.
Output run(const Work& work, Output input);
// The inputs of a task that is given several: it starts when all are there, so that it never waits with a worker of its
// own. Without rows and columns where there are fewer.
inline constexpr std::size_t kInputs = 8;
// Slice `part` of `parts` of the rows of all inputs, in the order of a permutation by the seed; through the steps.
Output gather(const Work& work, std::uint64_t seed, std::int64_t part, std::int64_t parts, Output a, Output b, Output c,
              Output d, Output e, Output f, Output g, Output h);
// All rows, in order.
Output join(Output a, Output b, Output c, Output d, Output e, Output f, Output g, Output h);
Output gather_blocks(const Work& work, const std::vector<Block>& inputs, std::uint64_t seed, std::int64_t part,
                     std::int64_t parts);

// Steps that keep what they made: the user's models. An actor, or an object of this process.
class Steps {
 public:
  explicit Steps(Work work);
  Output run(Output input);

 private:
  Work work_;
  std::vector<std::unique_ptr<detail::Kernel>> kernels_;
};

// Positions 0 to count - 1 in an order by the seed, each order equally probable.
std::vector<std::int64_t> permutation(std::int64_t count, std::uint64_t seed);
// Another seed for each number.
std::uint64_t mixed(std::uint64_t seed, std::uint64_t number);

}  // namespace manta::data::executor
