#include <manta/data/loader.h>

#include <charconv>
#include <deque>

#include <manta/get.h>
#include <manta/remote.h>

#include "data/loader/cutter.h"

namespace manta::data {

namespace detail {

std::string text_of(const Position& position) {
  std::string text;
  for (const std::int64_t number : {static_cast<std::int64_t>(position.epoch), position.batch, position.known_batch,
                                    position.known_block, position.known_row}) {
    text += (text.empty() ? "" : " ") + std::to_string(number);
  }
  return text;
}

Position position_of(const std::string& text) {
  std::int64_t numbers[5] = {};
  const char* at = text.data();
  const char* const end = at + text.size();
  for (std::int64_t& number : numbers) {
    if (at != end && *at == ' ') ++at;
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc() || number < 0) {
      throw Error(ErrorCode::invalid_argument, "data: \"" + text +
                                                   "\" is no position of a loader; the checkpoint is of "
                                                   "another program, or damaged");
    }
    at = next;
  }
  return {static_cast<std::uint64_t>(numbers[0]), numbers[1], numbers[2], numbers[3], numbers[4]};
}

// Where batches come from: a cutter in this process, or an actor that cuts for several consumers.
class BatchSource {
 public:
  virtual ~BatchSource() = default;
  virtual loader::Cut cut(const loader::Request& request) = 0;

  // The rows of a slice; the last blocks are kept, so that each is decoded once.
  Block rows(const loader::Slice& slice) {
    if (slice.piece.here) return slice.piece.here->block.slice(slice.from, slice.count);
    for (const auto& [ref, block] : kept_) {
      if (ref == slice.piece.ref) return block.slice(slice.from, slice.count);
    }
    constexpr std::size_t kKept = 2;
    if (kept_.size() == kKept) kept_.pop_front();
    kept_.emplace_back(slice.piece.ref, executor::value_of(slice.piece).block);
    return kept_.back().second.slice(slice.from, slice.count);
  }

 private:
  std::deque<std::pair<Ref<executor::Output>, Block>> kept_;
};

// Cuts for all shards of a split.
class Feeder {
 public:
  explicit Feeder(const Dataset& table) : cutter_(table, true) {}
  // Only Refs travel: the consumers read the blocks where they are.
  loader::Cut next(const loader::Request& request) {
    loader::Cut cut = cutter_.cut(request);
    for (loader::Slice& slice : cut.slices) {
      if (!slice.piece.here) continue;
      slice.piece.ref = put(*slice.piece.here);
      slice.piece.here.reset();
    }
    return cut;
  }

 private:
  loader::Cutter cutter_;
};

namespace {

class LocalSource final : public BatchSource {
 public:
  explicit LocalSource(const Dataset& table) : cutter_(table, false) {}
  loader::Cut cut(const loader::Request& request) override { return cutter_.cut(request); }

 private:
  loader::Cutter cutter_;
};

// Asks for the next batch while the consumer works on this one.
class FeederSource final : public BatchSource {
 public:
  explicit FeederSource(Actor<Feeder> feeder) : feeder_(std::move(feeder)) {}

  loader::Cut cut(const loader::Request& request) override {
    loader::Cut cut = ask(request);
    if (!cut.end) {
      loader::Request next = request;
      next.position = cut.ends;
      next.position.batch = request.position.batch + request.world;
      asked_ = next;
      answer_ = feeder_.call<&Feeder::next>(next);
    }
    return cut;
  }

 private:
  loader::Cut ask(const loader::Request& request) {
    const bool asked = answer_ && text_of(asked_.position) == text_of(request.position) && asked_.size == request.size;
    Ref<loader::Cut> answer = asked ? std::exchange(answer_, {}) : feeder_.call<&Feeder::next>(request);
    constexpr int kAttempts = 10;
    for (int attempt = 1;; ++attempt) {
      try {
        return get(answer);
      } catch (const Error& error) {
        // The actor died; its next life knows nothing, and a request says all that it needs.
        if (error.code() != ErrorCode::unavailable || attempt == kAttempts) throw;
        answer = feeder_.call<&Feeder::next>(request);
      }
    }
  }

  Actor<Feeder> feeder_;
  loader::Request asked_;
  Ref<loader::Cut> answer_;
};

}  // namespace

}  // namespace detail

Batches::Batches(const Dataset& table, std::int64_t size, const BatchOptions& options)
    : Batches(std::make_unique<detail::LocalSource>(table), size, options, 0, 1, std::make_shared<Position>()) {
  position_->epoch = options.epoch;
}

Batches::Batches(std::unique_ptr<detail::BatchSource> source, std::int64_t size, const BatchOptions& options, int rank,
                 int world, std::shared_ptr<Position> position)
    : source_(std::move(source)),
      size_(size),
      options_(options),
      rank_(rank),
      world_(world),
      position_(std::move(position)) {
  if (size < 1) {
    throw Error(ErrorCode::invalid_argument, "data: batches: the size must be at least 1, not " + std::to_string(size));
  }
}

Batches::Batches(Batches&&) noexcept = default;
Batches& Batches::operator=(Batches&&) noexcept = default;
Batches::~Batches() = default;

std::optional<Block> Batches::next() {
  loader::Cut cut;
  std::vector<Block> parts;
  constexpr int kAttempts = 10;
  for (int attempt = 1;; ++attempt) {
    cut = source_->cut({*position_, rank_, world_, size_, options_.drop_last});
    if (cut.end) {
      *position_ = {.epoch = position_->epoch + 1};
      return std::nullopt;
    }
    try {
      parts.clear();
      for (const loader::Slice& slice : cut.slices) parts.push_back(source_->rows(slice));
      break;
    } catch (const Error& error) {
      // The blocks died with the process that had started them; its next life makes them again.
      const ErrorCode code = error.code();
      const bool lost =
          code == ErrorCode::object_lost || code == ErrorCode::unavailable || code == ErrorCode::worker_died;
      if (!lost || attempt == kAttempts) throw;
    }
  }
  Block batch = Block::concat(parts);
  if (options_.drop_last && batch.rows() < size_) {
    *position_ = {.epoch = position_->epoch + 1};
    return std::nullopt;
  }
  const std::int64_t next = position_->batch + world_;
  *position_ = cut.ends;
  position_->batch = next;
  return batch;
}

Batches Shard::batches(std::int64_t size, const BatchOptions& options) const {
  if (!feeder_)
    throw Error(ErrorCode::invalid_argument, "data: an empty Shard has no batches; streaming_split() makes one");
  if (position_->batch == 0) position_->epoch = std::max(position_->epoch, options.epoch);
  return Batches(std::make_unique<detail::FeederSource>(feeder_), size, options, rank_, world_, position_);
}

Batches Dataset::batches(std::int64_t size, const BatchOptions& options) const { return Batches(*this, size, options); }

std::vector<Shard> Dataset::streaming_split(int count) const {
  if (count < 1) {
    throw Error(ErrorCode::invalid_argument,
                "data: streaming_split: the count must be at least 1, not " + std::to_string(count));
  }
  std::vector<Shard> shards;
  const auto feeder = actor<detail::Feeder>.options({.max_restarts = 10, .max_task_retries = 10})(*this);
  for (int rank = 0; rank < count; ++rank) shards.emplace_back(feeder, rank, count);
  return shards;
}

}  // namespace manta::data
