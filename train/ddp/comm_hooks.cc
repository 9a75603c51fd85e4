#include <manta/train/comm_hooks.h>

#include <manta/error.h>

namespace manta::train {

namespace {

using Future = c10::intrusive_ptr<c10::ivalue::Future>;

Future compress(c10d::ProcessGroup& group, c10d::GradBucket& bucket, at::ScalarType type) {
  const at::Tensor buffer = bucket.getBuffer();
  if (buffer.layout() != at::kStrided) {
    throw Error(ErrorCode::invalid_argument,
                "DistributedDataParallel: a compressing comm_hook takes dense gradients "
                "only. Next: use manta::train::average where an embedding has sparse(true).");
  }
  std::vector<at::Tensor> compressed{buffer.to(type).div_(group.getSize())};
  return group.allreduce(compressed)
      ->getFuture()
      ->then(
          [buffer](c10::ivalue::Future& sum) {
            const at::NoGradGuard no_grad;
            buffer.copy_(sum.value().toTensorVector()[0]);
            return c10::IValue(std::vector<at::Tensor>{buffer});
          },
          c10::ListType::create(c10::TensorType::get()));
}

}  // namespace

// The reduction itself divides by the number of ranks. The thread that filled the last bucket also reduces it: no other
// work is left to overlap with, and a hand-over between threads costs more than a small reduction.
Future average(c10d::ProcessGroup& group, c10d::GradBucket& bucket) {
  std::vector<at::Tensor> tensors{bucket.getBufferRef()};
  c10d::AllreduceOptions options;
  options.reduceOp = c10d::ReduceOp::AVG;
  options.asyncOp = !bucket.isLast();
  return group.allreduce(tensors, options)->getFuture();
}

Future fp16_compress(c10d::ProcessGroup& group, c10d::GradBucket& bucket) { return compress(group, bucket, at::kHalf); }
Future bf16_compress(c10d::ProcessGroup& group, c10d::GradBucket& bucket) {
  return compress(group, bucket, at::kBFloat16);
}

}  // namespace manta::train
