// Tensors as the memory that a group works on.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include <ATen/ATen.h>
#include <torch/csrc/distributed/c10d/Types.hpp>

#include <manta/collective.h>

namespace manta::collective {

inline std::string describe_tensor(const at::Tensor& tensor) {
  if (!tensor.defined()) return "an undefined tensor";
  return "a tensor of " + std::string(c10::toString(tensor.scalar_type())) + " on " + tensor.device().str();
}

inline void require_dense_cpu(const at::Tensor& tensor, const char* operation) {
  if (tensor.defined() && tensor.device().is_cpu() && tensor.layout() == at::kStrided && !tensor.is_quantized()) return;
  throw Error(ErrorCode::invalid_argument, std::string("process group, ") + operation +
                                               ": dense tensors on the CPU are needed, not " + describe_tensor(tensor));
}

inline DataType data_type_of(const at::Tensor& tensor, const char* operation) {
  switch (tensor.scalar_type()) {
    case at::kByte:
      return DataType::u8;
    case at::kChar:
      return DataType::i8;
    case at::kShort:
      return DataType::i16;
    case at::kInt:
      return DataType::i32;
    case at::kLong:
      return DataType::i64;
    case at::kHalf:
      return DataType::f16;
    case at::kBFloat16:
      return DataType::bf16;
    case at::kFloat:
      return DataType::f32;
    case at::kDouble:
      return DataType::f64;
    case at::kBool:
      return DataType::boolean;
    default:
      throw Error(ErrorCode::invalid_argument, std::string("process group, ") + operation + ": " +
                                                   describe_tensor(tensor) + " cannot be reduced; view or convert it");
  }
}

inline Reduction reduction_of(const c10d::ReduceOp& op, const char* operation) {
  switch (op.op_) {
    case c10d::ReduceOp::SUM:
      return Reduction::sum;
    case c10d::ReduceOp::AVG:
      return Reduction::average;
    case c10d::ReduceOp::PRODUCT:
      return Reduction::product;
    case c10d::ReduceOp::MIN:
      return Reduction::minimum;
    case c10d::ReduceOp::MAX:
      return Reduction::maximum;
    case c10d::ReduceOp::BAND:
      return Reduction::bit_and;
    case c10d::ReduceOp::BOR:
      return Reduction::bit_or;
    case c10d::ReduceOp::BXOR:
      return Reduction::bit_xor;
    default:
      throw Error(ErrorCode::invalid_argument,
                  std::string("process group, ") + operation + ": this reduction (PREMUL_SUM?) is not supported");
  }
}

// The tensor's elements in one piece, in their logical order: itself, or a copy that is written back by done().
class Dense {
 public:
  // input: whether the elements are read.
  Dense(const at::Tensor& tensor, bool input)
      : original_(tensor),
        dense_(tensor.is_contiguous() ? tensor
               : input                ? tensor.contiguous()
                                      : space_for(tensor)) {}
  std::span<std::byte> bytes() const {
    return {static_cast<std::byte*>(dense_.data_ptr()), static_cast<std::size_t>(dense_.nbytes())};
  }
  std::size_t count() const { return static_cast<std::size_t>(dense_.numel()); }
  void done() const {
    if (!dense_.is_same(original_)) original_.copy_(dense_);
  }

 private:
  static at::Tensor space_for(const at::Tensor& tensor) {
    return at::empty(tensor.sizes(), tensor.options().requires_grad(false));
  }

  at::Tensor original_;
  at::Tensor dense_;
};

}  // namespace manta::collective
