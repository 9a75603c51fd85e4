// A training's state on disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <manta/train/report.h>
#include <manta/train/state.h>

namespace manta::train {

/// A rank's own buffers. Key: the network's name in the State, '.', and the buffer's name in the network.
using RankBuffers = std::map<std::string, torch::Tensor>;

/// What a checkpoint holds besides the state.
struct CheckpointDetails {
  Metrics metrics;        ///< at the time of saving; CheckpointStore keeps the best checkpoints by one of them
  std::int64_t step = 0;  ///< optimizer steps so far
  /// random_state() of every rank, by rank. Their count is the checkpoint's world_size().
  std::vector<torch::Tensor> random_states;
  /// Each rank's buffers, if they differ (DdpOptions::broadcast_buffers = false); empty: all ranks have rank 0's.
  std::vector<RankBuffers> rank_buffers;
};

/// A folder that is complete or absent: save() writes NAME.part beside it, makes that durable (fsync) and renames it.
/// Other programs can read it:
///
///     model.safetensors    every network's parameters and buffers as "NAME.PARAMETER"; if the state has one network,
///                          as "PARAMETER", which PyTorch's load_state_dict expects
///     NAME.pt              an optimizer's state as dictionaries, which Python's torch.load reads
///     tensors.safetensors  tensors of the state, random_state.RANK, rank_buffer.RANK.NAME; absent if there are none
///     state.json           numbers, strings, samplers; step, metrics, world size, time; each file with its size
///
///     Checkpoint::save("runs/1/checkpoint_000000", state, {.metrics = {{"loss", loss}}, .step = step});
///     Checkpoint("runs/1/checkpoint_000000").restore(state);      // in another process, another day
///
/// **Threading**: immutable, but restore() writes to the parts of the state. **Ownership**: a value; copies share what
/// was read. It does not hold the files open: reading a deleted one fails. **Errors**: all methods throw Error, whose
/// message names the file, the problem and the next step: not_found if the folder does not exist, exhausted if the disk
/// is full, otherwise invalid_argument.
class Checkpoint {
 public:
  /// Blocks until all of it is on disk. On an error nothing is left, not even NAME.part. Never overwrites a folder. One
  /// process writes a checkpoint: rank 0, while the other ranks wait for it.
  static Checkpoint save(const std::filesystem::path& folder, const State& state,
                         const CheckpointDetails& details = {});

  /// Opens a checkpoint: reads state.json and checks that every file exists with its full size.
  explicit Checkpoint(const std::filesystem::path& folder);

  /// Restores every part of the state. If any part does not fit by name, type or shape, it changes nothing and throws
  /// Error(invalid_argument), which lists all misfits. The checkpoint may hold parts that the state lacks.
  void restore(State& state) const;

  const std::filesystem::path& folder() const;
  const Metrics& metrics() const;
  std::int64_t step() const;
  /// Number of ranks whose random_state was saved; may be 0.
  std::int64_t world_size() const;
  /// The rank's generator, for set_random_state(). Throws Error(not_found) for a rank that the checkpoint lacks.
  torch::Tensor random_state(std::int64_t rank) const;
  /// The rank's own buffers; empty: it has the state's.
  RankBuffers rank_buffers(std::int64_t rank) const;
  /// When it was saved, in seconds since 1970 (UTC).
  double time() const;

 private:
  struct Contents;
  std::shared_ptr<const Contents> contents_;
};

}  // namespace manta::train
