// How a scan of files is cut into parts that tasks read.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "data/executor/work.h"
#include "data/plan/node.h"

namespace manta::data::executor {

// Bytes of a row, estimated from the columns' types.
std::int64_t row_bytes(const Schema& schema);
// The parts of such a node, in order, each of about target_rows rows before filters; nothing: it cannot be cut.
// Parquet files are cut at row groups, and inside of large ones; others are not cut.
// The first part has first_rows at most, so that a consumer need not wait long for the first block; 0: as the others.
std::optional<std::vector<Scan>> parts_of(const plan::NodePtr& node, std::int64_t target_rows, std::int64_t first_rows);

}  // namespace manta::data::executor
