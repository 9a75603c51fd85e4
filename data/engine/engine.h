// The relational engine: DuckDB, used through its C API by this room alone.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <manta/data/block.h>

#include "data/engine/block_scan.h"

namespace manta::data::engine {

// A query that runs: its rows, as blocks.
//
// Threading: one thread at a time. Ownership: movable; owns the query, its connection and its inputs, and ends it when
// destroyed. Errors: next() throws Error(invalid_argument) with the engine's message, exhausted where memory or disk do
// not suffice, and what an input threw, as it was.
class Query {
 public:
  struct Impl;
  explicit Query(std::unique_ptr<Impl> impl);
  Query(Query&&) noexcept;
  Query& operator=(Query&&) noexcept;
  ~Query();

  const Schema& schema() const;
  // About how many rows a block will have: memory for them is taken at once.
  void expect(std::int64_t rows);
  // The next block, of `rows` rows (the last has fewer); nothing: the query has ended. Blocks.
  std::optional<Block> next(std::int64_t rows);

 private:
  std::unique_ptr<Impl> impl_;
};

// The engine of a process.
//
// Threading: any. Errors: throws Error(invalid_argument) with the engine's message where the SQL is wrong.
class Engine {
 public:
  struct Impl;

  // This process' own: made when first asked for, anew in a forked child.
  static Engine& get();
  explicit Engine(std::unique_ptr<Impl> impl);
  ~Engine();

  // Columns of the SQL's result; nothing is read but what the engine needs to know them.
  Schema describe(const std::string& sql);
  // Starts it. Columns come as `wanted` says, cast where the engine has another type; without it, as describe() says.
  Query query(const std::string& sql, std::vector<Input> inputs = {}, const Schema* wanted = nullptr);
  // Runs a statement to its end, and returns how many rows it has changed or copied.
  std::int64_t run(const std::string& sql, std::vector<Input> inputs = {});

  // Memory and threads that queries may use together, from now on.
  void limit(std::int64_t memory_bytes, int threads);
  // Where sorts, joins and groups spill: a folder of this process, made when it is needed and removed at its end; or
  // one below that of another process.
  const std::string& spill_folder() const;
  void spill_below(const std::string& folder);

 private:
  std::unique_ptr<Impl> impl_;
};

// 'text' as SQL writes it.
std::string sql_text(std::string_view text);

}  // namespace manta::data::engine
