// A plan: a tree of immutable nodes, from the sources up to the result.
//
// Relational operations are SQL text over their inputs, so that a tree of them is one query for the engine, which
// optimises it as a whole. Code of the user's is a Transform; shuffles for training are nodes of their own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include <manta/data/dataset.h>

namespace manta::data::plan {

using NodePtr = std::shared_ptr<const Node>;

enum class Format : std::uint8_t { parquet, csv, json };

// Files that the engine reads.
struct FileScan {
  Format format = Format::parquet;
  std::vector<std::string> files;  // sorted
  std::string arguments;           // of the engine's function, each with a comma before it
};

// Blocks that are there.
struct Memory {
  std::vector<Block> blocks;
};

// Blocks that a user's source makes: the step is given one row with the block's number.
struct Generated {
  detail::Step step;
  std::uint64_t blocks = 0;
};

// SQL over the inputs: pieces[0] input 0 pieces[1] input 1 ... pieces[n].
struct Relation {
  std::vector<std::string> pieces;
  // The result of a part of the rows is that part of the result: filters and projections.
  bool per_row = false;
  // The same with the columns manta_file and manta_row kept; empty: pieces keep them.
  std::vector<std::string> with_position = {};
  // The inputs have the columns manta_file and manta_row, too.
  bool takes_position = false;
};

struct Transform {
  detail::Step step;
  StepOptions options;
  bool actors = false;
};

struct Shuffle {
  std::uint64_t seed = 0;
  std::int64_t window_rows = 0;
};

struct Node {
  std::string label;  // for people: "filter", "map speed"
  Schema schema;
  std::vector<NodePtr> inputs;
  std::variant<FileScan, Memory, Generated, Relation, Transform, Shuffle> what;
  std::string origin;  // where the rows come from, for people: "flights-*.parquet"

  template <class T>
  const T* as() const {
    return std::get_if<T>(&what);
  }
};

// A table inside a query that the engine does not make itself: its name there, and the node that makes it.
struct Leaf {
  std::string name;
  NodePtr node;
};

// Which part of its source a query reads; for plans of per-row relations over one scan.
struct Part {
  std::vector<std::string> files;
  std::int64_t from_row = 0;   // of the file, where there is one
  std::int64_t to_row = -1;    // -1: to the end of all files
  bool with_position = false;  // adds the columns manta_file and manta_row
};

// The engine's SQL for a tree, in parentheses. Its leaves are added to `leaves`.
std::string render(const NodePtr& node, std::vector<Leaf>& leaves, const Part* part = nullptr);
// A table without rows that has these columns, in parentheses.
std::string empty_table(const Schema& schema);

// Whether the node is a scan of files under filters and projections only: its rows have positions in files.
bool is_scan(const NodePtr& node);

// A node for SQL over other nodes: asks the engine for its columns. Errors of the engine name the label.
NodePtr relate(std::string label, std::vector<NodePtr> inputs, Relation relation);
// The columns of the list (SQL) of each row.
Relation projection(const std::string& list);

// "filter of flights.parquet", for messages.
std::string place(std::string_view label, const Node& input);
// Throws unless the input has all these columns.
void check_columns(std::string_view label, const Node& input, const std::vector<std::string>& columns);

// The blocks of a plan's result, in order. feeds: for consumers that may hold all CPUs, so that tasks ask for none.
BlockReader execute(const NodePtr& node, const ExecutionOptions& options, bool feeds = false);
// The same, read to the end, as a table in memory.
NodePtr materialized(const NodePtr& node, const ExecutionOptions& options, bool feeds = false);

}  // namespace manta::data::plan
