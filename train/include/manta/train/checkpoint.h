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

// A rank's own buffers: by the name of the State's network, '.', and the buffer's name in it.
using RankBuffers = std::map<std::string, torch::Tensor>;

// What a checkpoint holds beside the state.
struct CheckpointDetails {
  Metrics metrics;        // of the moment, as accuracy; CheckpointStore keeps the best by one of them
  std::int64_t step = 0;  // optimizer steps so far
  // random_state() of every rank, by rank. Their number is the checkpoint's world_size().
  std::vector<torch::Tensor> random_states;
  // Buffers of every rank, where they differ (DdpOptions::broadcast_buffers = false); empty: all have rank 0's.
  std::vector<RankBuffers> rank_buffers;
};

// A folder that is complete, or does not exist under its name: it is written beside it as NAME.part, made durable
// (fsync), then renamed. Other programs read it too:
//
//   model.safetensors    every network: its parameters and buffers as "NAME.PARAMETER" (where the state has one network
//                        only, as "PARAMETER", as PyTorch's load_state_dict wants them)
//   NAME.pt              an optimizer's state as dictionaries, which Python's torch.load reads
//   tensors.safetensors  tensors of the state, random_state.RANK, rank_buffer.RANK.NAME; left out where there are none
//   state.json           numbers, strings, samplers; step, metrics, world size, time; each file with its size
//
//   Checkpoint::save("runs/1/checkpoint_000000", state, {.metrics = {{"loss", loss}}, .step = step});
//   Checkpoint("runs/1/checkpoint_000000").restore(state);      // in another process, another day
//
// Threading: immutable, but restore writes to the parts of the state. Ownership: a value; copies share what was read.
// It does not hold the files: reading one that was deleted since is an error. Errors: all throw Error, whose message
// names the file, what is wrong and the next step: not_found where there is no such folder, exhausted where the disk is
// full, invalid_argument else.
class Checkpoint {
 public:
  // Blocks until the disk has all of it. On an error nothing is left, also not NAME.part. A folder that exists is never
  // overwritten. One process writes a checkpoint: rank 0, which every other rank waits for.
  static Checkpoint save(const std::filesystem::path& folder, const State& state,
                         const CheckpointDetails& details = {});

  // Reads state.json and checks that every file is there with its full size.
  explicit Checkpoint(const std::filesystem::path& folder);

  // Puts every part of the state where it was when saved. Nothing is changed where anything does not fit, by name, type
  // or shape; the message then lists all of it. The checkpoint may hold more parts than the state asks for.
  void restore(State& state) const;

  const std::filesystem::path& folder() const;
  const Metrics& metrics() const;
  std::int64_t step() const;
  // Number of ranks whose random_state was saved; 0 for none.
  std::int64_t world_size() const;
  // Throws Error(not_found) for a rank that the checkpoint does not have.
  torch::Tensor random_state(std::int64_t rank) const;
  // The rank's own buffers; empty: it has those of the state.
  RankBuffers rank_buffers(std::int64_t rank) const;
  // When it was saved, in seconds since 1970.
  double time() const;

 private:
  struct Contents;
  std::shared_ptr<const Contents> contents_;
};

}  // namespace manta::train
