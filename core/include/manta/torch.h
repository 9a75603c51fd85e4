// Tensors as arguments and results of tasks. Link manta::torch.
//
// Includes only the declaration of at::Tensor; a program that calculates with tensors includes <torch/torch.h> too.
#pragma once

#include <ATen/core/Tensor.h>

#include <manta/serialize.h>

namespace torch {
using namespace at;  // torch::Tensor, as <torch/types.h> has it
}

namespace manta {

namespace detail {
bool register_torch();  // see threads.cc
inline const bool torch_registered = register_torch();
}  // namespace detail

// A tensor, also inside structs and containers, undefined ones included.
//
// What travels: type, sizes, strides (where the elements fill one block, as after transpose or channels_last; others are
// made contiguous), the elements, and requires_grad of a leaf. What stays behind: the graph (a tensor that is not a leaf
// arrives detached), grad(), hooks, names, and that two tensors share memory: each brings its own copy.
//
// What get() returns, and what a task receives for a Ref, is a view of shared memory from 4 KiB on: nothing is copied,
// and the memory stays until the last tensor that uses it is gone. Writing to it in place (x.add_(1)) copies the pages
// written to and is seen by no other process, nor by a later get(); within a process, tensors from the same Ref that
// exist at the same time share memory. A tensor given by value is copied into the task.
//
// In a worker, torch uses max(1, floor(num_cpus)) threads, set before each task, and the generator for the CPU starts at
// a place of its own, derived from torch::manual_seed before init (or torch's default seed) and the worker's number. A
// task whose random numbers must not depend on where it runs calls torch::manual_seed itself.
//
// Threading: as at::Tensor. Errors: throws Error(invalid_argument) for tensors that are not on the CPU, sparse,
// quantised or without storage (the message says what to call), and for malformed bytes.
//
//   torch::Tensor twice(const torch::Tensor& x) { return x * 2; }
//   auto weights = manta::put(torch::randn({1024, 1024}));
//   torch::Tensor sum = manta::get(manta::remote<twice>(weights)).sum();
template <>
struct serial::Codec<at::Tensor> {
  static void save(Writer& writer, const at::Tensor& tensor);
  static void load(Reader& reader, at::Tensor& tensor);
};

}  // namespace manta
