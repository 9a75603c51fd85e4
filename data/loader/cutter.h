// Cuts the blocks of a plan into batches.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include <manta/data/loader.h>

#include "data/executor/sequence.h"

namespace manta::data::loader {

// Which batch a consumer asks for: number position.batch + rank.
struct Request {
  Position position;
  int rank = 0;
  int world = 1;
  std::int64_t size = 0;
  bool drop_last = false;
};

// Rows of a block that is being made elsewhere, or is here.
struct Slice {
  executor::Piece piece;
  std::int64_t from = 0;
  std::int64_t count = 0;
};

struct Cut {
  bool end = false;  // of the epoch
  Position ends;     // where the next batch begins, as a position's known_ fields
  std::vector<Slice> slices;
};

// The batches of a plan by number. Blocks are started ahead of the batches that were asked for, and kept while a
// consumer may still want them, at most so many as the limits say; one that was dropped is made again.
//
// Threading: one thread. Errors: what the plan throws.
class Cutter {
 public:
  // feeds: consumers elsewhere, which may hold all CPUs.
  Cutter(const Dataset& table, bool feeds);
  ~Cutter();
  Cutter(const Cutter&) = delete;
  Cutter& operator=(const Cutter&) = delete;

  Cut cut(const Request& request);

 private:
  void reset(const Position& from, std::int64_t size);
  // Whether so many rows are there from the base on; waits for their blocks.
  bool have_rows(std::int64_t rows);
  const executor::Piece& piece(std::int64_t block);

  plan::NodePtr node_;
  ExecutionOptions options_;
  executor::Limits limits_;
  std::unique_ptr<executor::Sequence> sequence_;  // of epoch_
  std::uint64_t epoch_ = 0;
  std::int64_t size_ = 0;
  Position base_;                   // its known_ fields: where counting begins
  std::vector<std::int64_t> ends_;  // rows from the base to the end of each block
  std::map<std::int64_t, executor::Piece> pieces_;
};

}  // namespace manta::data::loader
