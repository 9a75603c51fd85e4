// Tensors as arguments and results of tasks. Link manta::torch.
//
// Includes only the declaration of at::Tensor; a program that calculates with tensors includes <torch/torch.h> too.
#pragma once

#include <concepts>
#include <span>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

#include <manta/array.h>
#include <manta/serialize.h>

namespace torch {
using namespace at;  // torch::Tensor, as <torch/types.h> has it
}

namespace manta {

namespace detail {
bool register_torch();  ///< see threads.cc
inline const bool torch_registered = register_torch();
}  // namespace detail

/// A tensor, also inside structs and containers, undefined ones included.
///
/// What travels: type, sizes, strides (where the elements fill one block, as after transpose or channels_last; others
/// are made contiguous), the elements, and requires_grad of a leaf. What stays behind: the graph (a tensor that is not
/// a leaf arrives detached), grad(), hooks, names, and that two tensors share memory: each brings its own copy.
///
/// What get() returns, and what a task receives for a Ref, is a view of shared memory from 4 KiB on: nothing is copied,
/// and the memory stays until the last tensor that uses it is gone. Writing to it in place (x.add_(1)) copies the pages
/// written to and is seen by no other process, nor by a later get(); within a process, tensors from the same Ref that
/// exist at the same time share memory. A tensor given by value is copied into the task.
///
/// In a worker, torch uses max(1, floor(num_cpus)) threads, set before each task, and the generator for the CPU starts
/// at a place of its own, derived from torch::manual_seed before init (or torch's default seed) and the worker's
/// number. A task whose random numbers must not depend on where it runs calls torch::manual_seed itself.
///
/// **Threading**: as at::Tensor. **Errors**: throws Error(invalid_argument) for tensors that are not on the CPU,
/// sparse, quantised or without storage (the message says what to call), and for malformed bytes.
///
///     torch::Tensor twice(const torch::Tensor& x) { return x * 2; }
///     auto weights = manta::put(torch::randn({1024, 1024}));
///     torch::Tensor sum = manta::get(manta::remote<twice>(weights)).sum();
template <>
struct serial::Codec<at::Tensor> {
  static void save(Writer& writer, const at::Tensor& tensor);
  static void load(Reader& reader, at::Tensor& tensor);
};

namespace detail {
template <class T>
concept TensorElement = ArrayElement<T> && requires {
  { c10::CppTypeToScalarType<T>::value } -> std::convertible_to<c10::ScalarType>;
};
at::Tensor tensor_over(const Buffer& elements, c10::ScalarType type, std::span<const std::int64_t> shape,
                       ArrayOrder order);
/// Throws Error(invalid_argument) for elements of another type, and for tensors that cannot travel.
std::pair<Buffer, std::vector<std::int64_t>> elements_of(const at::Tensor& tensor, c10::ScalarType type);
}  // namespace detail

/// A tensor over the elements of an array, which it keeps; nothing is copied. Do not write to it in place: other
/// readers of the array in this process would see that. **Threading**: any.
template <detail::TensorElement T>
at::Tensor tensor_of(const Array<T>& array) {
  return detail::tensor_over(array.buffer(), c10::CppTypeToScalarType<T>::value, array.shape(), array.order());
}
/// The elements of a tensor, in row-major order; copied only where the tensor is not contiguous. Throws
/// Error(invalid_argument) where they are not of type T, and for tensors that are not on the CPU.
template <detail::TensorElement T>
Array<T> array_of(const at::Tensor& tensor) {
  auto [elements, shape] = detail::elements_of(tensor, c10::CppTypeToScalarType<T>::value);
  return Array<T>(std::move(elements), std::move(shape));
}

namespace detail {
/// In place: a stored tensor for a parameter of type Array<T>, stored vectors and arrays for one of type at::Tensor.
template <TensorElement T>
struct ReadAs<Array<T>, at::Tensor> {
  static Array<T> read(serial::Reader& reader) { return array_of<T>(serial::decode<at::Tensor>(reader)); }
};
template <TensorElement T>
struct ReadAs<at::Tensor, Array<T>> {
  static at::Tensor read(serial::Reader& reader) { return tensor_of(serial::decode<Array<T>>(reader)); }
};
template <TensorElement T>
struct ReadAs<at::Tensor, std::vector<T>> {
  static at::Tensor read(serial::Reader& reader) { return tensor_of(ReadAs<Array<T>, std::vector<T>>::read(reader)); }
};
}  // namespace detail

}  // namespace manta
