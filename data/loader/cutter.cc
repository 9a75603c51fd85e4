#include "data/loader/cutter.h"

#include <algorithm>

#include <manta/error.h>

namespace manta::data::loader {

Cutter::Cutter(const Dataset& table, bool feeds)
    : node_(table.node()), options_(table.options()), limits_(executor::Limits::of(table.options())) {
  if (feeds) limits_.feed();
  if (!options_.quarantine.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "data: batches: a loader need not come to a plan's end, where ExecutionOptions::quarantine is written; "
                "write() the good rows first, and load that file");
  }
}

Cutter::~Cutter() {
  for (const auto& [number, piece] : pieces_) executor::drop(piece);
}

void Cutter::reset(const Position& from, std::int64_t size) {
  if (sequence_ == nullptr || epoch_ != from.epoch) {
    for (const auto& [number, piece] : pieces_) executor::drop(piece);
    pieces_.clear();
    epoch_ = from.epoch;
    sequence_ = executor::sequence_of(node_, options_, limits_, epoch_);
    if (sequence_ == nullptr) {  // a sort, a join: kept, and numbered
      node_ = plan::materialized(node_, options_, limits_.feeds());
      sequence_ = executor::sequence_of(node_, options_, limits_, epoch_);
    }
  }
  size_ = size;
  base_ = from;
  ends_.clear();
}

const executor::Piece& Cutter::piece(std::int64_t block) {
  const auto start = [this](std::int64_t number) {
    if (pieces_.contains(number)) return;
    pieces_.emplace(number, sequence_->start(number));
  };
  const std::int64_t ahead = limits_.tasks ? limits_.max_blocks : 1;
  // One that is wanted at once comes before those that are made ahead.
  const bool is_new = !pieces_.contains(block);
  start(block);
  if (is_new && limits_.tasks) (void)executor::value_of(pieces_.at(block));
  for (std::int64_t i = block + 1; i < std::min(block + ahead, sequence_->size()); ++i) start(i);
  const std::int64_t kept = 2 * ahead;
  while (static_cast<std::int64_t>(pieces_.size()) > kept) {
    // The oldest goes, which is a block that a slow consumer may want again.
    const auto oldest = pieces_.begin()->first != block ? pieces_.begin() : std::prev(pieces_.end());
    pieces_.erase(oldest);
  }
  return pieces_.at(block);
}

bool Cutter::have_rows(std::int64_t rows) {
  while (ends_.empty() || ends_.back() < rows) {
    const std::int64_t block = base_.known_block + static_cast<std::int64_t>(ends_.size());
    if (block >= sequence_->size()) return !ends_.empty() && ends_.back() >= rows;
    const std::int64_t count = executor::value_of(piece(block)).block.rows();
    const std::int64_t skipped = ends_.empty() ? base_.known_row : 0;
    ends_.push_back((ends_.empty() ? 0 : ends_.back()) + std::max<std::int64_t>(0, count - skipped));
  }
  return true;
}

Cut Cutter::cut(const Request& request) {
  const std::int64_t number = request.position.batch + request.rank;
  if (request.size < 1) {
    throw Error(ErrorCode::invalid_argument,
                "data: batches: the size must be at least 1, not " + std::to_string(request.size));
  }
  if (sequence_ == nullptr || epoch_ != request.position.epoch || size_ != request.size || number < base_.known_batch) {
    reset(request.position, request.size);
  }
  Cut cut;
  const std::int64_t first = (number - base_.known_batch) * size_;
  const std::int64_t group = (request.position.batch + request.world - base_.known_batch) * size_;
  if (request.drop_last ? !have_rows(group) : !have_rows(first + 1)) {
    cut.end = true;
    return cut;
  }
  (void)have_rows(first + size_);
  const std::int64_t last = std::min(first + size_, ends_.back());
  auto end = std::upper_bound(ends_.begin(), ends_.end(), first);
  for (std::int64_t row = first; row < last; ++end) {
    const auto index = end - ends_.begin();
    const std::int64_t block = base_.known_block + index;
    const std::int64_t begin = index == 0 ? -base_.known_row : ends_[static_cast<std::size_t>(index - 1)];
    const std::int64_t count = std::min(*end, last) - row;
    if (count <= 0) continue;  // a block without rows
    cut.slices.push_back({piece(block), row - begin, count});
    row += count;
    const bool whole = row == *end;
    cut.ends = {request.position.epoch, number + 1, number + 1, whole ? block + 1 : block, whole ? 0 : row - begin};
  }
  return cut;
}

}  // namespace manta::data::loader
