// Finds where ranks that should have the same network have not.
#pragma once

#include <string>

#include <torch/nn/module.h>

#include <manta/process_group.h>

namespace manta::train::detail {

/// Compares a hash of each parameter, and of each buffer where asked, over all ranks. Throws Error(invalid_argument) on
/// all of them, which names the first that differs, and the ranks; `when` says when. Collective.
void require_same_on_all_ranks(c10d::ProcessGroup& group, const torch::nn::Module& network, bool buffers,
                               const std::string& when);

/// The bytes of a tensor as a number that other bytes are not likely to have. The same on all ranks of one program.
std::int64_t hash_of(const at::Tensor& tensor);

/// "rank 1", "ranks 0, 2".
std::string ranks_text(const std::vector<int>& ranks);

}  // namespace manta::train::detail
