#include "data/executor/sequence.h"

#include <algorithm>
#include <map>

#include <manta/error.h>

#include "data/executor/partition.h"
#include "data/operators/sql_step.h"

namespace manta::data::executor {

namespace {

class ScanSequence final : public Sequence {
 public:
  ScanSequence(const Limits& limits, bool keep_bad_rows, std::vector<Scan> parts, std::int64_t rows)
      : Sequence(limits, keep_bad_rows), parts_(std::move(parts)), rows_(rows) {}
  std::int64_t size() const override { return static_cast<std::int64_t>(parts_.size()); }
  std::int64_t rows_each() const override { return rows_; }

 private:
  Piece source(std::int64_t number, Stage& first) override {
    return first.scan(parts_[static_cast<std::size_t>(number)]);
  }
  std::vector<Scan> parts_;
  std::int64_t rows_;
};

class MemorySequence final : public Sequence {
 public:
  MemorySequence(const Limits& limits, bool keep_bad_rows, std::vector<Block> blocks)
      : Sequence(limits, keep_bad_rows), blocks_(std::move(blocks)) {}
  std::int64_t size() const override { return static_cast<std::int64_t>(blocks_.size()); }
  std::int64_t rows_each() const override { return blocks_.front().rows(); }

 private:
  Piece source(std::int64_t number, Stage& first) override {
    return first.run({{}, Output{blocks_[static_cast<std::size_t>(number)], {}}});
  }
  std::vector<Block> blocks_;
};

// The user's source: a table of block numbers, and the step that makes blocks of them.
std::vector<Block> numbers(std::uint64_t count) {
  std::vector<Block> blocks;
  for (std::uint64_t i = 0; i < count; ++i) {
    blocks.emplace_back(Schema({{"number", Kind::int64}}),
                        std::vector<Column>{column_of(std::vector<std::int64_t>{static_cast<std::int64_t>(i)})});
  }
  return blocks;
}

// Windows of blocks in an order of the seed's, and the rows of each window in an order of the seed's.
class ShuffledSequence final : public Sequence {
 public:
  static constexpr std::int64_t kLeast = 4;  // blocks of a window

  ShuffledSequence(const Limits& limits, bool keep_bad_rows, std::unique_ptr<Sequence> from,
                   const plan::Shuffle& shuffle, std::uint64_t epoch)
      : Sequence(limits, keep_bad_rows), from_(std::move(from)), seed_(mixed(shuffle.seed, epoch)) {
    order_ = permutation(from_->size(), seed_);
    const std::int64_t each = from_->rows_each();
    width_ = std::max(kLeast, each > 0 ? (shuffle.window_rows + each - 1) / each : kLeast);
    width_ = std::clamp<std::int64_t>(width_, 1, std::max<std::int64_t>(1, from_->size()));
  }
  std::int64_t size() const override { return from_->size(); }
  std::int64_t rows_each() const override { return from_->rows_each(); }

 private:
  Piece source(std::int64_t number, Stage& first) override {
    const std::int64_t window = number / width_, from = window * width_, to = std::min(from + width_, size());
    auto kept = windows_.find(window);
    if (kept == windows_.end()) {
      std::vector<Piece> pieces;
      for (std::int64_t i = from; i < to; ++i) pieces.push_back(from_->start(order_[static_cast<std::size_t>(i)]));
      constexpr std::size_t kWindows = 2;  // the one that is read, and the next
      if (windows_.size() == kWindows) windows_.erase(windows_.begin());
      kept = windows_.emplace(window, first.joined(std::move(pieces))).first;
    }
    return first.gather(kept->second, mixed(seed_, static_cast<std::uint64_t>(window) + 1), number - from, to - from);
  }

  std::unique_ptr<Sequence> from_;
  std::uint64_t seed_;
  std::vector<std::int64_t> order_;
  std::int64_t width_ = 1;
  std::map<std::int64_t, std::vector<Piece>> windows_;
};

}  // namespace

Piece Sequence::start(std::int64_t number) {
  if (stages_.empty() || stages_.front().actors()) {
    stages_.insert(stages_.begin(), Stage(limits_, {}, false, keep_bad_rows_));
  }
  Piece piece = source(number, stages_.front());
  for (std::size_t i = 1; i < stages_.size(); ++i) piece = stages_[i].run(piece);
  return piece;
}

void Sequence::add(detail::Step step, const StepOptions& options, bool actors) {
  if (stages_.empty() || !stages_.back().takes(options, actors)) {
    stages_.emplace_back(limits_, options, actors, keep_bad_rows_);
  }
  stages_.back().add(std::move(step));
}

std::unique_ptr<Sequence> sequence_of(const plan::NodePtr& node, const ExecutionOptions& options, const Limits& limits,
                                      std::uint64_t epoch, std::int64_t most_rows) {
  const bool keep = !options.quarantine.empty();
  if (plan::is_scan(node)) {
    std::int64_t rows = std::clamp<std::int64_t>(limits.block_bytes / row_bytes(node->schema), 1'024, 1 << 20);
    if (most_rows > 0) rows = std::min(rows, most_rows);
    constexpr std::int64_t kFirst = 16'384;
    std::optional<std::vector<Scan>> parts = parts_of(node, rows, most_rows > 0 ? 0 : kFirst);
    if (!parts) return nullptr;
    return std::make_unique<ScanSequence>(limits, keep, *std::move(parts), rows);
  }
  if (const auto* memory = node->as<plan::Memory>()) {
    return std::make_unique<MemorySequence>(limits, keep, memory->blocks);
  }
  if (const auto* generated = node->as<plan::Generated>()) {
    auto sequence = std::make_unique<MemorySequence>(limits, keep, numbers(generated->blocks));
    sequence->add(generated->step, {}, false);
    return sequence;
  }
  if (const auto* transform = node->as<plan::Transform>()) {
    auto sequence = sequence_of(node->inputs.front(), options, limits, epoch, most_rows);
    if (sequence != nullptr) sequence->add(transform->step, transform->options, transform->actors);
    return sequence;
  }
  if (const auto* shuffle = node->as<plan::Shuffle>()) {
    const plan::NodePtr& input = node->inputs.front();
    // A window is some blocks, so blocks are small where windows are.
    const std::int64_t rows = std::max<std::int64_t>(1'024, shuffle->window_rows / ShuffledSequence::kLeast);
    auto sequence = sequence_of(input, options, limits, epoch, rows);
    // A sort or a join has no blocks by number: its result is kept for the shuffle.
    if (sequence == nullptr) {
      sequence = sequence_of(plan::materialized(input, options, limits.feeds()), options, limits);
    }
    return std::make_unique<ShuffledSequence>(limits, keep, std::move(sequence), *shuffle, epoch);
  }
  const auto* relation = node->as<plan::Relation>();
  if (relation == nullptr || !relation->per_row || node->inputs.size() != 1) return nullptr;
  // Filters and projections over blocks: the engine of the process that has the block runs them.
  plan::NodePtr below = node;
  while (below->as<plan::Relation>() != nullptr && below->as<plan::Relation>()->per_row && below->inputs.size() == 1) {
    below = below->inputs.front();
  }
  auto sequence = sequence_of(below, options, limits, epoch, most_rows);
  if (sequence == nullptr) return nullptr;
  std::vector<plan::Leaf> leaves;
  const std::string sql = plan::render(node, leaves);
  sequence->add(operators::sql_step(sql, leaves.at(0).name, node->schema), {}, false);
  return sequence;
}

}  // namespace manta::data::executor
