// MNIST in its original idx files.
#pragma once

#include <cstdint>
#include <filesystem>

#include <torch/torch.h>

// Images of digits with what they show.
struct Digits {
  torch::Tensor images;  // uint8 [N, 28, 28]
  torch::Tensor labels;  // uint8 [N], 0 to 9
  std::int64_t size() const { return labels.size(0); }
};

enum class Part { train, test };

// Reads {train,t10k}-images-idx3-ubyte and ...-labels-idx1-ubyte of the folder; limit > 0: only the first so many.
// Throws std::runtime_error that names the file, what is wrong with it and what to do.
Digits read_digits(const std::filesystem::path& folder, Part part, std::int64_t limit = 0);

// Float pixels of about zero mean and unit variance, [N, 1, 28, 28].
torch::Tensor normalised(const torch::Tensor& images);
