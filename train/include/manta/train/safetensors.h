// Reads and writes tensors in the safetensors format of Hugging Face's libraries.
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

/// The contents of a file.
struct SafeTensors {
  NamedTensors tensors;
  FileMetadata metadata;  ///< strings by name, for example {"format", "pt"}
};

// The format (https://huggingface.co/docs/safetensors): the header's length (64 bits, little-endian), a header in JSON,
// the elements. Types: BOOL U8 I8 I16 U16 I32 I64 F16 BF16 F32 F64.
//
// Threading: any thread. Errors: throws Error, which names the file, the problem and the next step: not_found for a
// file that does not exist, exhausted for a full disk, otherwise invalid_argument.

/// Writes the file in place and makes it durable (fsync); blocks until then. On an error the file is removed. Tensors
/// on a GPU and non-contiguous ones are copied first; tensors that share memory are written separately.
void save_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                      const FileMetadata& metadata = {});

/// Maps the file privately and returns views of it: data is read on first use, writes to a tensor stay in this process,
/// and the mapping ends with the last tensor. Do not truncate the file while they live (replacing it by rename and
/// deleting it are fine). The file is validated: a malformed one is an error.
SafeTensors load_safetensors(const std::filesystem::path& path);

}  // namespace manta::train
