// The engine's vectors, copied into columns.
#pragma once

#include <duckdb.h>

#include <optional>
#include <string>
#include <vector>

#include <manta/data/builder.h>

namespace manta::data::engine {

// The type of a column that the engine says it has; exact: blocks hold it as it is, otherwise it has to be cast.
struct EngineType {
  Type type;
  bool exact = true;
};
EngineType type_of(duckdb_logical_type type);
// The caller destroys it.
duckdb_logical_type logical_type_of(const Type& type);

// Collects chunks of the engine's rows into a block.
class ChunkReader {
 public:
  explicit ChunkReader(const Schema& schema);
  std::int64_t rows() const { return rows_; }
  // Rows [from, from + count) of a chunk whose columns are those of the schema.
  void append(duckdb_data_chunk chunk, std::int64_t from, std::int64_t count);
  // Memory for a block of so many rows.
  void reserve(std::int64_t rows);
  Block finish();

 private:
  Schema schema_;
  std::vector<ColumnBuilder> columns_;
  std::int64_t rows_ = 0;
  std::int64_t expected_ = 0;
};

}  // namespace manta::data::engine
