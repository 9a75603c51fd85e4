// How gradients travel between the ranks.
#pragma once

#include <functional>
#include <string>

#include <torch/csrc/distributed/c10d/comm.hpp>

#include <manta/process_group.h>

namespace manta::train {

/// Averages one bucket of gradients: starts the communication and returns a future of the resulting tensor, as PyTorch's
/// DDP communication hooks do. The bucket holds this rank's gradients, undivided: a hook divides by group.getSize()
/// itself. The reducer copies the result into the gradients.
///
/// **Threading**: the thread of the backward pass. **Errors**: what the hook throws is thrown by backward().
///
///     manta::train::DistributedDataParallel model(network, group, {.comm_hook = manta::train::bf16_compress});
using CommHook =
    std::function<c10::intrusive_ptr<c10::ivalue::Future>(c10d::ProcessGroup& group, c10d::GradBucket& bucket)>;

/// The mean over all ranks; what an empty CommHook does. Sparse gradients become the sparse sum of all ranks', divided.
c10::intrusive_ptr<c10::ivalue::Future> average(c10d::ProcessGroup& group, c10d::GradBucket& bucket);
/// The mean, with gradients rounded to half before they are sent. PyTorch's fp16_compress_hook. Not for sparse gradients.
c10::intrusive_ptr<c10::ivalue::Future> fp16_compress(c10d::ProcessGroup& group, c10d::GradBucket& bucket);
/// The mean, with gradients rounded to bfloat16 before they are sent. PyTorch's bf16_compress_hook. Not for sparse ones.
c10::intrusive_ptr<c10::ivalue::Future> bf16_compress(c10d::ProcessGroup& group, c10d::GradBucket& bucket);

}  // namespace manta::train
