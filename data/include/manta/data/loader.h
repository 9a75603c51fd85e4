/// Feeding a training: batches of a fixed size, for one consumer or many, that resume at the same sample.
#pragma once

#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <variant>

#include <manta/actor.h>
#include <manta/data/block.h>
#include <manta/data/dataset.h>
#include <manta/error.h>
#include <manta/serialize.h>

namespace manta::data {

/// Where in its sequence of batches a consumer is: all batches before `batch` were given out, to it or to the others.
/// It does not depend on how many consumers there are.
///
/// The sequence is that of the files, the plan, the batches' size and ExecutionOptions::memory_budget_bytes, on every
/// machine; with others, a position means other samples.
struct Position {
  std::uint64_t epoch = 0;
  std::int64_t batch = 0;
  // Where an earlier batch begins, so that nothing before it has to be read again.
  std::int64_t known_batch = 0;
  std::int64_t known_block = 0;
  std::int64_t known_row = 0;
};

namespace detail {
class BatchSource;
class Feeder;

/// What a checkpoint holds of a loader; it is a train::StateDict of one entry.
struct LoaderState {
  std::string text;
  template <class Dict>
  requires requires(Dict dict, std::string text) { dict["position"] = text; }
  operator Dict() const {  // NOLINT: stands for one
    Dict dict;
    dict["position"] = text;
    return dict;
  }
};
std::string text_of(const Position& position);
/// Throws Error(invalid_argument) where the text is no position.
Position position_of(const std::string& text);
template <class Dict>
std::string state_text(const Dict& dict) {
  const auto& value = dict.at("position");
  if constexpr (std::is_convertible_v<decltype(value), std::string>) {
    return value;
  } else {
    return std::get<std::string>(value);
  }
}
}  // namespace detail

/// A dataset in batches: for (const Block& batch : data.batches(64)). One pass is an epoch; the next begins where this
/// one has ended, in another order if there is a shuffle().
///
/// In the checkpoint of a training, state.add("data", batches), it resumes at the same sample, also in the middle of an
/// epoch, in a time that does not depend on the position: the blocks before it are not made again. A sort, join or the
/// like before it has no such position; its result is kept in memory for the loader.
///
/// The blocks behind the next batches are made in tasks while the current batch is used.
///
/// **Threading**: one thread at a time. **Ownership**: movable. **Errors**: next() throws what the plan throws.
class Batches {
 public:
  Batches(const Dataset& table, std::int64_t size, const BatchOptions& options = {});
  /// A Shard's.
  Batches(std::unique_ptr<detail::BatchSource> source, std::int64_t size, const BatchOptions& options, int rank,
          int world, std::shared_ptr<Position> position);
  Batches(Batches&&) noexcept;
  Batches& operator=(Batches&&) noexcept;
  ~Batches();

  /// The next batch; nothing: the epoch has ended, and the next call begins another. Blocks until it is there.
  std::optional<Block> next();

  const Position& position() const { return *position_; }
  void seek(const Position& position) { *position_ = position; }
  detail::LoaderState state_dict() const { return {detail::text_of(*position_)}; }
  template <class Dict>
  void load_state_dict(const Dict& dict) {
    seek(detail::position_of(detail::state_text(dict)));
  }

  using Iterator = detail::PullIterator<Batches>;
  Iterator begin() { return Iterator(this); }
  std::default_sentinel_t end() const { return {}; }

 private:
  std::unique_ptr<detail::BatchSource> source_;
  std::int64_t size_;
  BatchOptions options_;
  int rank_, world_;
  std::shared_ptr<Position> position_;  // a Shard's, where it is one's
};

/// One consumer's part of a streaming_split(). Give each worker its own, as an argument. An actor makes the blocks for
/// all of them, each block once.
///
/// All shards use the same size and options. The sequence of batches is the same for every number of shards: a training
/// that is resumed with another number of workers gets the remaining samples in the same order.
///
///     for (const Block& batch : shard.batches(64)) step(batch["image"], batch["label"]);
///     state.add("data", shard);  // in a checkpoint: its position
///
/// **Threading**: one thread at a time; one batches() at a time, which moves the shard's position. **Ownership**:
/// serialisable, with its position; copies share it. The actor lives as long as a shard.
class Shard {
 public:
  Shard() = default;
  /// streaming_split() makes them.
  Shard(Actor<detail::Feeder> feeder, int rank, int world) : feeder_(std::move(feeder)), rank_(rank), world_(world) {}
  Batches batches(std::int64_t size, const BatchOptions& options = {}) const;
  int rank() const { return rank_; }
  int world() const { return world_; }

  const Position& position() const { return *position_; }
  void seek(const Position& position) { *position_ = position; }
  detail::LoaderState state_dict() const { return {detail::text_of(*position_)}; }
  template <class Dict>
  void load_state_dict(const Dict& dict) {
    seek(detail::position_of(detail::state_text(dict)));
  }

  template <class Archive>
  void serialize(Archive& archive) {
    archive(feeder_, rank_, world_, *position_);
  }

 private:
  Actor<detail::Feeder> feeder_;
  int rank_ = 0, world_ = 1;
  std::shared_ptr<Position> position_ = std::make_shared<Position>();
};

}  // namespace manta::data
