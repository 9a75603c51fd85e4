// An optimizer's state as a file that Python reads.
#pragma once

#include <filesystem>

#include <torch/optim/optimizer.h>

namespace manta::train {

/// What optimizer.save() writes, as dictionaries of numbers, strings and tensors: torch.load(path) of Python reads it
/// (weights_only=True, its default). Errors: those of files::OutputFile.
void save_optimizer(const std::filesystem::path& path, const torch::optim::Optimizer& optimizer);

/// Throws Error(invalid_argument) for a file that is no such; the optimizer may then be changed in part.
void read_optimizer(const std::filesystem::path& path, torch::optim::Optimizer& optimizer);

}  // namespace manta::train
