// Finds parameters and buffers in which the ranks' networks differ.
#pragma once

#include <string>

#include <torch/nn/module.h>

#include <manta/process_group.h>

namespace manta::train::detail {

/// Compares a hash of each parameter, and if `buffers` of each buffer, over all ranks. If one differs, throws
/// Error(invalid_argument) on all ranks, which names the first such tensor and the ranks; `when` says when. Collective.
void require_same_on_all_ranks(c10d::ProcessGroup& group, const torch::nn::Module& network, bool buffers,
                               const std::string& when);

/// A hash of the tensor's bytes. The same on all ranks of one program.
std::int64_t hash_of(const at::Tensor& tensor);

/// "rank 1", "ranks 0, 2".
std::string ranks_text(const std::vector<int>& ranks);

}  // namespace manta::train::detail
