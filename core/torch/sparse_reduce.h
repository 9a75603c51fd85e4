// Sums of sparse tensors.
#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include <manta/collective.h>

namespace manta::collective {

// Replaces the tensor, sparse (COO) on the CPU, by the sum over all ranks, or their mean. Each rank may have other
// indices, and other numbers of them. All ranks get the same bits. Errors: invalid_argument on all ranks where the
// tensors' shapes differ; else those of Group.
void all_reduce_sparse(Group& group, const at::Tensor& tensor, bool average);

// Whether all_reduce_sparse is to take these. Throws Error(invalid_argument) for sparse ones that it cannot take.
bool takes_sparse(const std::vector<at::Tensor>& tensors, Reduction reduction);

}  // namespace manta::collective
