// Communication hooks: how ranks average gradients.
#pragma once

#include <functional>
#include <string>

#include <torch/csrc/distributed/c10d/comm.hpp>

#include <manta/process_group.h>

namespace manta::train {

/// Averages one bucket of gradients: starts the communication and returns a future of the resulting tensor, like
/// PyTorch's DDP communication hooks. The bucket holds this rank's gradients, undivided: the hook itself divides by
/// group.getSize(). The reducer copies the result into the gradients.
///
/// **Threading**: the thread of the backward pass. **Errors**: backward() throws what the hook throws.
///
///     manta::train::DistributedDataParallel model(network, group, {.comm_hook = manta::train::bf16_compress});
using CommHook =
    std::function<c10::intrusive_ptr<c10::ivalue::Future>(c10d::ProcessGroup& group, c10d::GradBucket& bucket)>;

/// The mean over all ranks; the default. Sparse gradients become the sparse mean.
c10::intrusive_ptr<c10::ivalue::Future> average(c10d::ProcessGroup& group, c10d::GradBucket& bucket);
/// The mean of gradients rounded to half before sending. PyTorch's fp16_compress_hook. Not for sparse gradients.
c10::intrusive_ptr<c10::ivalue::Future> fp16_compress(c10d::ProcessGroup& group, c10d::GradBucket& bucket);
/// The mean of gradients rounded to bfloat16 before sending. PyTorch's bf16_compress_hook. Not for sparse gradients.
c10::intrusive_ptr<c10::ivalue::Future> bf16_compress(c10d::ProcessGroup& group, c10d::GradBucket& bucket);

}  // namespace manta::train
