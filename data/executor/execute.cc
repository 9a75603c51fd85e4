// Runs plans: blocks as they come.
#include <deque>
#include <filesystem>

#include <manta/data/read.h>
#include <manta/error.h>

#include "data/engine/engine.h"
#include "data/executor/partition.h"
#include "data/executor/sequence.h"

namespace manta::data::plan {

namespace {

using executor::Limits;
using executor::Output;
using executor::Piece;

// Rows that were left out, written when the plan has ended.
class BadRowsFile {
 public:
  explicit BadRowsFile(std::string file) : file_(std::move(file)) {}
  void add(const Output& output) {
    if (output.bad.rows() != 0) rows_.push_back(output.bad);
  }
  void write() {
    if (!file_.empty() && !rows_.empty()) from_blocks(std::exchange(rows_, {})).write(file_);
  }

 private:
  std::string file_;
  std::vector<Block> rows_;
};

// Keeps so many blocks under way ahead of the consumer, and hands them out in order.
class PiecesReader : public BlockReader::Impl {
 public:
  ~PiecesReader() override {
    for (const Piece& piece : pieces_) executor::drop(piece);
  }
  PiecesReader(const PiecesReader&) = delete;
  PiecesReader& operator=(const PiecesReader&) = delete;

  std::optional<Block> next() final {
    for (;;) {
      while (!ended_ && static_cast<std::int64_t>(pieces_.size()) < ahead_) {
        std::optional<Piece> piece = start();
        ended_ = !piece;
        if (piece) pieces_.push_back(*std::move(piece));
      }
      if (pieces_.empty()) {
        bad_.write();
        return std::nullopt;
      }
      const Output output = executor::value_of(pieces_.front());
      pieces_.pop_front();
      bad_.add(output);
      if (output.block.rows() != 0) return output.block;
    }
  }

 protected:
  PiecesReader(const ExecutionOptions& options, const Limits& limits)
      : ahead_(limits.tasks ? limits.max_blocks : 1), bad_(options.quarantine) {}
  // The next block, under way; nothing: there is none.
  virtual std::optional<Piece> start() = 0;

 private:
  std::int64_t ahead_;
  bool ended_ = false;
  std::deque<Piece> pieces_;
  BadRowsFile bad_;
};

// The blocks of a sequence.
class SequenceReader final : public PiecesReader {
 public:
  SequenceReader(std::unique_ptr<executor::Sequence> sequence, const ExecutionOptions& options, const Limits& limits)
      : PiecesReader(options, limits), sequence_(std::move(sequence)) {}

 private:
  std::optional<Piece> start() override {
    if (started_ == sequence_->size()) return std::nullopt;
    return sequence_->start(started_++);
  }

  std::unique_ptr<executor::Sequence> sequence_;
  std::int64_t started_ = 0;
};

// A query of the engine in this process.
class EngineReader final : public BlockReader::Impl {
 public:
  EngineReader(const NodePtr& node, const ExecutionOptions& options, const Limits& limits)
      : rows_(std::clamp<std::int64_t>(limits.block_bytes / executor::row_bytes(node->schema), 1'024, 1 << 17)),
        query_(start(node, options, limits)) {
    query_.expect(rows_);
  }
  std::optional<Block> next() override { return query_.next(rows_); }

 private:
  static engine::Query start(const NodePtr& node, const ExecutionOptions& options, const Limits& limits) {
    std::vector<Leaf> leaves;
    const std::string sql = render(node, leaves);
    limits.apply(leaves.empty());
    return engine::Engine::get().query(sql, inputs_of(leaves, options, limits.feeds()), &node->schema);
  }

 public:
  static std::vector<engine::Input> inputs_of(const std::vector<Leaf>& leaves, const ExecutionOptions& options,
                                              bool feeds) {
    std::vector<engine::Input> inputs;
    for (const Leaf& leaf : leaves) {
      // The plan of a leaf starts when the engine first asks for its rows.
      auto reader = std::make_shared<std::optional<BlockReader>>();
      inputs.push_back(
          {leaf.name, leaf.node->schema, [reader, node = leaf.node, options, feeds]() -> std::optional<Block> {
             if (!*reader) reader->emplace(execute(node, options, feeds));
             return (*reader)->next();
           }});
    }
    return inputs;
  }

 private:
  std::int64_t rows_;
  engine::Query query_;
};

// Steps over blocks that come one after the other.
class StepsReader final : public PiecesReader {
 public:
  StepsReader(const NodePtr& node, const ExecutionOptions& options, const Limits& limits)
      : PiecesReader(options, limits), from_(below(node, options, limits)) {}

 private:
  std::optional<Piece> start() override {
    std::optional<Block> block = from_.next();
    if (!block) return std::nullopt;
    Piece piece{{}, Output{*std::move(block), {}}};
    for (executor::Stage& stage : stages_) piece = stage.run(piece);
    return piece;
  }

  // What comes before the steps; the steps are put into stages.
  BlockReader below(const NodePtr& node, const ExecutionOptions& options, const Limits& limits) {
    NodePtr from = node;
    std::vector<const Transform*> steps;
    for (; from->as<Transform>() != nullptr; from = from->inputs.front()) steps.push_back(from->as<Transform>());
    for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
      if (stages_.empty() || !stages_.back().takes((*step)->options, (*step)->actors)) {
        stages_.emplace_back(limits, (*step)->options, (*step)->actors, !options.quarantine.empty());
      }
      stages_.back().add((*step)->step);
    }
    return execute(from, options, limits.feeds());
  }

  std::vector<executor::Stage> stages_;
  BlockReader from_;
};

// Whether the engine of this process does all of it: then there is nothing for workers to do.
bool is_relational(const NodePtr& node) {
  if (node->as<Transform>() != nullptr || node->as<Shuffle>() != nullptr || node->as<Generated>() != nullptr)
    return false;
  return std::all_of(node->inputs.begin(), node->inputs.end(), is_relational);
}

}  // namespace

BlockReader execute(const NodePtr& node, const ExecutionOptions& options, bool feeds) {
  Limits limits = Limits::of(options);
  if (feeds) limits.feed();
  // Scans alone: several workers read faster than one thread takes rows from the engine.
  const bool blocks = node->as<Memory>() != nullptr || (limits.tasks && is_scan(node));
  if (!blocks && is_relational(node)) {
    return BlockReader(std::make_unique<EngineReader>(node, options, limits));
  }
  if (auto sequence = executor::sequence_of(node, options, limits)) {
    return BlockReader(std::make_unique<SequenceReader>(std::move(sequence), options, limits));
  }
  if (node->as<Transform>() != nullptr) return BlockReader(std::make_unique<StepsReader>(node, options, limits));
  return BlockReader(std::make_unique<EngineReader>(node, options, limits));
}

NodePtr materialized(const NodePtr& node, const ExecutionOptions& options, bool feeds) {
  std::vector<Block> parts;
  for (const Block& part : execute(node, options, feeds)) parts.push_back(part);
  if (parts.empty()) parts.emplace_back(node->schema);
  auto kept = std::make_shared<Node>();
  kept->label = "materialized " + node->label;
  kept->origin = node->origin;
  kept->schema = node->schema;
  kept->what = Memory{std::move(parts)};
  return kept;
}

}  // namespace manta::data::plan

namespace manta::data {

std::int64_t Dataset::write(const std::string& file) const {
  namespace fs = std::filesystem;
  std::string format;
  if (file.ends_with(".parquet")) format = "FORMAT parquet";
  if (file.ends_with(".csv")) format = "FORMAT csv, HEADER";
  if (file.ends_with(".json")) format = "FORMAT json";
  if (format.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "data: writing " + file + ": the name must end with .parquet, .csv or .json");
  }
  const executor::Limits limits = executor::Limits::of(options_);
  std::vector<plan::Leaf> leaves;
  const std::string sql = plan::render(node_, leaves);
  limits.apply(leaves.empty());
  const fs::path target(file);
  const fs::path part =
      target.parent_path() / ("." + target.filename().string() + ".part-" + std::to_string(::getpid()));
  std::error_code error;
  std::int64_t rows = 0;
  try {
    rows = engine::Engine::get().run("COPY " + sql + " TO " + engine::sql_text(part.string()) + " (" + format + ")",
                                     plan::EngineReader::inputs_of(leaves, options_, false));
    fs::rename(part, target);
  } catch (const Error& failed) {
    fs::remove(part, error);
    throw failed.with_context("data: writing " + file);
  } catch (const fs::filesystem_error& failed) {
    fs::remove(part, error);
    throw Error(ErrorCode::invalid_argument, "data: writing " + file + ": " + failed.code().message());
  }
  return rows;
}

BlockReader Dataset::blocks() const { return plan::execute(node_, options_); }

Block Dataset::block() const {
  std::vector<Block> parts;
  for (const Block& part : blocks()) parts.push_back(part);
  return parts.empty() ? Block(schema()) : Block::concat(parts);
}

Dataset Dataset::materialize() const { return Dataset(plan::materialized(node_, options_), options_); }

std::int64_t Dataset::count() const {
  const Block counted =
      Dataset(plan::relate("count", {node_}, {{"SELECT count(*) AS n FROM ", " AS t"}}), options_).block();
  return counted["n"].values<std::int64_t>()[0];
}

}  // namespace manta::data
