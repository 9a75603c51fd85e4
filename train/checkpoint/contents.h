// The contents of a checkpoint's folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include <torch/torch.h>

#include <manta/train/checkpoint.h>

#include "train/checkpoint/json.h"

namespace manta::train {

inline constexpr const char* kFormat = "manta.train.checkpoint";
inline constexpr std::int64_t kVersion = 2;
inline constexpr const char* kStateFile = "state.json";
inline constexpr const char* kModelFile = "model.safetensors";
inline constexpr const char* kTensorsFile = "tensors.safetensors";

struct Checkpoint::Contents {
  std::filesystem::path folder;
  Json parts;  // by name: {"kind": "module" | "optimizer" | "tensor" | "number" | "double" | "string" | "custom", ...}
  Metrics metrics;
  std::int64_t step = 0;
  std::int64_t world_size = 0;
  double time = 0;
};

inline std::string random_state_name(std::int64_t rank) { return "random_state." + std::to_string(rank); }

inline std::string rank_buffer_name(std::int64_t rank, const std::string& name) {
  return "rank_buffer." + std::to_string(rank) + "." + name;
}

// Parameters and buffers, by the names that PyTorch gives them.
torch::OrderedDict<std::string, torch::Tensor> tensors_of(const torch::nn::Module& module);

// The optimizer's kind, and the shapes of its parameters by group: what a saved and a restored optimizer must have in
// common.
Json describe(const torch::optim::Optimizer& optimizer);

// "number" and so on: see Contents::parts.
std::string kind_of(const State::Part& part);

}  // namespace manta::train
