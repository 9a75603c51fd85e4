// CUDA tensors as NCCL's calls take them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <nccl.h>

#include "core/collective/reduce.h"
#include "core/torch/tensor_bytes.h"

namespace manta::collective {

[[noreturn]] inline void refuse_cuda(const char* operation, const std::string& what) {
  throw Error(ErrorCode::invalid_argument, std::string("process group on GPUs, ") + operation + ": " + what);
}

inline void require_cuda(const at::Tensor& tensor, const char* operation) {
  if (!tensor.defined() || !tensor.device().is_cuda() || tensor.layout() != at::kStrided || tensor.is_quantized()) {
    refuse_cuda(operation, "dense CUDA tensors are needed, not " + describe_tensor(tensor));
  }
  if (!tensor.is_contiguous()) refuse_cuda(operation, "the tensor is not contiguous; give its contiguous()");
}
inline void require_tensors(const std::vector<at::Tensor>& tensors, const char* operation) {
  if (tensors.empty()) refuse_cuda(operation, "a tensor is needed");
  for (const auto& tensor : tensors) require_cuda(tensor, operation);
}
inline const at::Tensor& only_tensor(const std::vector<at::Tensor>& tensors, const char* operation) {
  require_tensors(tensors, operation);
  if (tensors.size() != 1) refuse_cuda(operation, "one tensor is needed, not " + std::to_string(tensors.size()));
  return tensors[0];
}
inline void require_same_device(const at::Tensor& tensor, const at::Tensor& first, const char* operation) {
  if (tensor.device() != first.device()) refuse_cuda(operation, "all tensors must be on the same device");
}

inline std::size_t count_of(const at::Tensor& tensor) { return static_cast<std::size_t>(tensor.numel()); }

struct NcclReduction {
  ncclDataType_t type;
  ncclRedOp_t operation;
};

// Booleans are bytes of 0 and 1: "or" is their maximum, "and" their minimum.
inline ncclRedOp_t nccl_operation(Reduction reduction, bool boolean, const char* operation) {
  switch (reduction) {
    case Reduction::sum:
      return boolean ? ncclMax : ncclSum;
    case Reduction::average:
      return ncclAvg;
    case Reduction::product:
      return boolean ? ncclMin : ncclProd;
    case Reduction::minimum:
      return ncclMin;
    case Reduction::maximum:
      return ncclMax;
    default:
      refuse_cuda(operation, "NCCL cannot reduce by " + std::string(to_string(reduction)));
  }
}

inline NcclReduction nccl_reduction(const at::Tensor& tensor, const c10d::ReduceOp& chosen, const char* operation) {
  const DataType type = data_type_of(tensor, operation);
  const Reduction reduction = reduction_of(chosen, operation);
  require_reducible(type, reduction);
  const auto with = [&](ncclDataType_t nccl) {
    return NcclReduction{nccl, nccl_operation(reduction, type == DataType::boolean, operation)};
  };
  switch (type) {
    case DataType::u8:
    case DataType::boolean:
      return with(ncclUint8);
    case DataType::i8:
      return with(ncclInt8);
    case DataType::i32:
      return with(ncclInt32);
    case DataType::i64:
      return with(ncclInt64);
    case DataType::f16:
      return with(ncclFloat16);
    case DataType::bf16:
      return with(ncclBfloat16);
    case DataType::f32:
      return with(ncclFloat32);
    case DataType::f64:
      return with(ncclFloat64);
    default:
      refuse_cuda(operation, "NCCL cannot reduce " + describe_tensor(tensor));
  }
}

}  // namespace manta::collective
