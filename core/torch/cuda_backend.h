// What a process group does with tensors on GPUs.
#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>

#include <manta/collective.h>

namespace manta::collective {

// The backend for CUDA tensors of the group that meets at this rendezvous; null where Manta was built without NCCL,
// LibTorch without CUDA, or no GPU is visible. Starts nothing: neither CUDA nor NCCL, before the first operation.
c10::intrusive_ptr<c10d::Backend> make_cuda_backend(const Rendezvous& rendezvous);

}  // namespace manta::collective
