// Tensors in files of the safetensors format, which Hugging Face's libraries, PyTorch and others read and write.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include <ATen/core/Tensor.h>

namespace torch {
using namespace at;  // torch::Tensor, as <torch/types.h> has it
}

namespace manta::train {

using NamedTensors = std::map<std::string, torch::Tensor>;
using FileMetadata = std::map<std::string, std::string>;

struct SafeTensors {
  NamedTensors tensors;
  FileMetadata metadata;  // strings by name, as {"format", "pt"}
};

// The format, https://huggingface.co/docs/safetensors: length of the header (64 bits, little-endian), a header in JSON,
// the elements. Types: BOOL U8 I8 I16 U16 I32 I64 F16 BF16 F32 F64.
//
// Threading: may be called from any thread. Errors: Error, which names the file, what is wrong and the next step:
// not_found for a file that does not exist, exhausted for a full disk, invalid_argument else.

// Writes the file in place, and makes it durable (fsync). On an error the file is removed. What is not on the CPU, or
// not contiguous, is copied first; tensors that share memory are written each by itself.
void save_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                      const FileMetadata& metadata = {});

// The tensors are views of the file, mapped privately: nothing is read before it is used, a write to a tensor stays in
// this process, and the mapping goes with the last tensor. So the file must not be cut while they live (replacing it by
// rename, and deleting it, is fine). Nothing in the file is trusted: a malformed one is an error.
SafeTensors load_safetensors(const std::filesystem::path& path);

}  // namespace manta::train
