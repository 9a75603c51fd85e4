// Tables of blocks inside a query: the engine's table function manta_blocks('NAME').
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <manta/data/block.h>

struct _duckdb_connection;

namespace manta::data::engine {

// The next block of a table; nothing: it has ended. Called by one thread at a time, any of the engine's.
using NextBlock = std::function<std::optional<Block>()>;

// A table of blocks under a name, for one query that scans it once.
struct Input {
  std::string name;
  Schema schema;
  NextBlock next;
};

struct BlockTable;

// The tables of a query, known by their names while this lives. The engine reads numbers and text where they lie.
//
// Ownership: must outlive the query; `connection` must outlive it, too, and runs no query itself. Errors: what `next`
// throws ends the query with an error; rethrow_failure() throws it as it was.
class Inputs {
 public:
  Inputs(_duckdb_connection* connection, std::vector<Input> inputs);
  ~Inputs();
  Inputs(const Inputs&) = delete;
  Inputs& operator=(const Inputs&) = delete;
  void rethrow_failure() const;

 private:
  std::vector<std::shared_ptr<BlockTable>> tables_;
};

// Once for each database. False: the engine refuses.
bool register_block_scan(_duckdb_connection* connection);

}  // namespace manta::data::engine
