// An optimizer's state as a file that Python reads.
#pragma once

#include <filesystem>

#include <torch/optim/optimizer.h>

namespace manta::train {

/// Writes the contents of optimizer.save() as dictionaries of numbers, strings and tensors, which Python's
/// torch.load(path) reads (weights_only=True, its default). Errors: those of files::OutputFile.
void save_optimizer(const std::filesystem::path& path, const torch::optim::Optimizer& optimizer);

/// Throws Error(invalid_argument) for any other file; the optimizer may then be changed in part.
void read_optimizer(const std::filesystem::path& path, torch::optim::Optimizer& optimizer);

}  // namespace manta::train
