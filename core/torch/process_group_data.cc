// The operations of ProcessGroupManta whose tensors are several, one for each rank.
#include <string>
#include <utility>
#include <vector>

#include <manta/process_group.h>

#include "core/collective/reduce.h"
#include "core/torch/process_group_call.h"
#include "core/torch/tensor_bytes.h"

namespace manta::collective {

namespace {

using Tensors = std::vector<at::Tensor>;

[[noreturn]] void refuse(const char* operation, const std::string& what) {
  throw Error(ErrorCode::invalid_argument, std::string("process group, ") + operation + ": " + what);
}

// The one tensor of this rank.
const at::Tensor& only(const Tensors& tensors, const char* operation) {
  if (tensors.size() != 1) refuse(operation, "one tensor is needed, not " + std::to_string(tensors.size()));
  require_dense_cpu(tensors[0], operation);
  return tensors[0];
}

// The one list with a tensor for each rank, each like `like`.
const Tensors& only(const std::vector<Tensors>& lists, int size, const at::Tensor& like, const char* operation) {
  if (lists.size() != 1 || lists[0].size() != static_cast<std::size_t>(size)) {
    refuse(operation, "one list of " + std::to_string(size) + " tensors is needed");
  }
  for (const auto& tensor : lists[0]) {
    require_dense_cpu(tensor, operation);
    if (tensor.scalar_type() != like.scalar_type() || tensor.numel() != like.numel()) {
      refuse(operation, "all tensors must have the type and the number of elements of this rank's");
    }
  }
  return lists[0];
}

// whole: the parts of all ranks, one after the other.
void require_whole(const at::Tensor& whole, const at::Tensor& part, int size, const char* operation) {
  require_dense_cpu(whole, operation);
  require_dense_cpu(part, operation);
  if (whole.scalar_type() != part.scalar_type() || whole.numel() != part.numel() * size) {
    refuse(operation,
           "the larger tensor must have the smaller one's type and " + std::to_string(size) + " times its elements");
  }
}

std::vector<Dense> dense_of(const Tensors& tensors, bool input) {
  std::vector<Dense> dense;
  for (const auto& tensor : tensors) dense.emplace_back(tensor, input);
  return dense;
}
template <class Byte>
std::vector<std::span<Byte>> parts_of(const std::vector<Dense>& dense) {
  std::vector<std::span<Byte>> parts;
  for (const Dense& one : dense) parts.push_back(one.bytes());
  return parts;
}
template <class Byte>
std::vector<std::span<Byte>> equal_parts(std::span<std::byte> whole, int size) {
  const std::size_t bytes = whole.size() / static_cast<std::size_t>(size);
  std::vector<std::span<Byte>> parts;
  for (int rank = 0; rank < size; ++rank) parts.push_back(whole.subspan(static_cast<std::size_t>(rank) * bytes, bytes));
  return parts;
}
template <class Parts>
std::vector<const void*> places_of(const Parts& parts) {
  std::vector<const void*> places;
  for (const auto& part : parts) places.push_back(part.data());
  return places;
}
void all_done(const std::vector<Dense>& dense) {
  for (const Dense& one : dense) one.done();
}

// Parts of a tensor along its first dimension; no sizes: equal ones.
template <class Byte>
std::vector<std::span<Byte>> split_rows(std::span<std::byte> whole, const at::Tensor& tensor,
                                        const std::vector<int64_t>& sizes, int size) {
  if (sizes.empty()) return equal_parts<Byte>(whole, size);
  const std::size_t row = tensor.size(0) == 0 ? 0 : whole.size() / static_cast<std::size_t>(tensor.size(0));
  std::vector<std::span<Byte>> parts;
  std::size_t at = 0;
  for (const int64_t rows : sizes) {
    parts.push_back(whole.subspan(at, static_cast<std::size_t>(rows) * row));
    at += parts.back().size();
  }
  return parts;
}
void require_split(const at::Tensor& tensor, const std::vector<int64_t>& sizes, int size) {
  int64_t sum = 0;
  for (const int64_t rows : sizes) sum += rows >= 0 ? rows : tensor.numel() + 1;
  const int64_t rows = tensor.dim() == 0 ? 1 : tensor.size(0);
  const bool right = sizes.empty() ? rows % size == 0 : sum == rows && sizes.size() == static_cast<std::size_t>(size);
  if (tensor.dim() == 0 || !right) {
    refuse("alltoall_base", "the first dimension, of " + std::to_string(rows) + ", is not split into " +
                                std::to_string(size) + " parts by these sizes");
  }
}

void gather_whole(Group& group, const at::Tensor& output, const at::Tensor& input) {
  const Dense from(input, true), to(output, false);
  group.all_gather(from.bytes(), equal_parts<std::byte>(to.bytes(), group.size()));
  to.done();
}
void reduce_whole(Group& group, const at::Tensor& output, const at::Tensor& input, Reduction reduction) {
  const Dense from(input, true), to(output, false);
  const auto parts = equal_parts<const std::byte>(from.bytes(), group.size());
  group.reduce_scatter(places_of(parts), to.bytes().data(), to.count(), data_type_of(output, "reduce_scatter"),
                       reduction);
  to.done();
}

}  // namespace

using Work = ProcessGroupManta::WorkPtr;

Work ProcessGroupManta::allgather(std::vector<Tensors>& outputs, Tensors& inputs,
                                  const c10d::AllgatherOptions& options) {
  const at::Tensor input = only(inputs, "allgather");
  const Tensors to = only(outputs, size_, input, "allgather");
  return post(call(c10d::OpType::ALLGATHER, "manta:all_gather", options), to, [input, to](Group& group) {
    const Dense from(input, true);
    const auto parts = dense_of(to, false);
    group.all_gather(from.bytes(), parts_of<std::byte>(parts));
    all_done(parts);
  });
}

Work ProcessGroupManta::_allgather_base(at::Tensor& output, at::Tensor& input, const c10d::AllgatherOptions& options) {
  require_whole(output, input, size_, "_allgather_base");
  return post(call(c10d::OpType::_ALLGATHER_BASE, "manta:all_gather", options), {output},
              [output, input](Group& group) { gather_whole(group, output, input); });
}

Work ProcessGroupManta::allgather_into_tensor_coalesced(Tensors& outputs, Tensors& inputs,
                                                        const c10d::AllgatherOptions& options) {
  if (outputs.size() != inputs.size()) refuse("allgather_into_tensor_coalesced", "an output for each input is needed");
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    require_whole(outputs[i], inputs[i], size_, "allgather_into_tensor_coalesced");
  }
  return post(call(c10d::OpType::COALESCED, "manta:all_gather", options), outputs, [outputs, inputs](Group& group) {
    for (std::size_t i = 0; i < inputs.size(); ++i) gather_whole(group, outputs[i], inputs[i]);
  });
}

Work ProcessGroupManta::gather(std::vector<Tensors>& outputs, Tensors& inputs, const c10d::GatherOptions& options) {
  const at::Tensor input = only(inputs, "gather");
  const int root = static_cast<int>(options.rootRank);
  const Tensors to = root == rank_ ? only(outputs, size_, input, "gather") : Tensors();
  return post(call(c10d::OpType::GATHER, "manta:gather", options), to, [input, to, root](Group& group) {
    const Dense from(input, true);
    const auto parts = dense_of(to, false);
    group.gather(from.bytes(), parts_of<std::byte>(parts), root);
    all_done(parts);
  });
}

Work ProcessGroupManta::scatter(Tensors& outputs, std::vector<Tensors>& inputs, const c10d::ScatterOptions& options) {
  const at::Tensor output = only(outputs, "scatter");
  const int root = static_cast<int>(options.rootRank);
  const Tensors from = root == rank_ ? only(inputs, size_, output, "scatter") : Tensors();
  return post(call(c10d::OpType::SCATTER, "manta:scatter", options), {output}, [output, from, root](Group& group) {
    const Dense to(output, false);
    const auto parts = dense_of(from, true);
    group.scatter(parts_of<const std::byte>(parts), to.bytes(), root);
    to.done();
  });
}

Work ProcessGroupManta::reduce_scatter(Tensors& outputs, std::vector<Tensors>& inputs,
                                       const c10d::ReduceScatterOptions& options) {
  const at::Tensor output = only(outputs, "reduce_scatter");
  const Tensors from = only(inputs, size_, output, "reduce_scatter");
  const Reduction reduction = reduction_of(options.reduceOp, "reduce_scatter");
  const DataType type = data_type_of(output, "reduce_scatter");
  require_reducible(type, reduction);
  return post(call(c10d::OpType::REDUCE_SCATTER, "manta:reduce_scatter", options), {output},
              [output, from, type, reduction](Group& group) {
                const Dense to(output, false);
                const auto parts = dense_of(from, true);
                group.reduce_scatter(places_of(parts_of<const std::byte>(parts)), to.bytes().data(), to.count(), type,
                                     reduction);
                to.done();
              });
}

Work ProcessGroupManta::_reduce_scatter_base(at::Tensor& output, at::Tensor& input,
                                             const c10d::ReduceScatterOptions& options) {
  require_whole(input, output, size_, "_reduce_scatter_base");
  const Reduction reduction = reduction_of(options.reduceOp, "_reduce_scatter_base");
  require_reducible(data_type_of(output, "_reduce_scatter_base"), reduction);
  return post(call(c10d::OpType::_REDUCE_SCATTER_BASE, "manta:reduce_scatter", options), {output},
              [output, input, reduction](Group& group) { reduce_whole(group, output, input, reduction); });
}

Work ProcessGroupManta::reduce_scatter_tensor_coalesced(Tensors& outputs, Tensors& inputs,
                                                        const c10d::ReduceScatterOptions& options) {
  if (outputs.size() != inputs.size()) refuse("reduce_scatter_tensor_coalesced", "an output for each input is needed");
  const Reduction reduction = reduction_of(options.reduceOp, "reduce_scatter_tensor_coalesced");
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    require_whole(inputs[i], outputs[i], size_, "reduce_scatter_tensor_coalesced");
    require_reducible(data_type_of(outputs[i], "reduce_scatter_tensor_coalesced"), reduction);
  }
  return post(call(c10d::OpType::COALESCED, "manta:reduce_scatter", options), outputs,
              [outputs, inputs, reduction](Group& group) {
                for (std::size_t i = 0; i < inputs.size(); ++i) reduce_whole(group, outputs[i], inputs[i], reduction);
              });
}

Work ProcessGroupManta::alltoall_base(at::Tensor& output, at::Tensor& input, std::vector<int64_t>& output_splits,
                                      std::vector<int64_t>& input_splits, const c10d::AllToAllOptions& options) {
  require_dense_cpu(output, "alltoall_base");
  require_dense_cpu(input, "alltoall_base");
  if (output.scalar_type() != input.scalar_type()) refuse("alltoall_base", "input and output must be of the same type");
  require_split(output, output_splits, size_);
  require_split(input, input_splits, size_);
  return post(call(c10d::OpType::ALLTOALL_BASE, "manta:all_to_all", options), {output},
              [output, input, output_splits, input_splits](Group& group) {
                const Dense from(input, true), to(output, false);
                group.all_to_all(split_rows<const std::byte>(from.bytes(), input, input_splits, group.size()),
                                 split_rows<std::byte>(to.bytes(), output, output_splits, group.size()));
                to.done();
              });
}

Work ProcessGroupManta::alltoall(Tensors& outputs, Tensors& inputs, const c10d::AllToAllOptions& options) {
  if (outputs.size() != static_cast<std::size_t>(size_) || inputs.size() != outputs.size()) {
    refuse("alltoall", "an input and an output for each of the " + std::to_string(size_) + " ranks is needed");
  }
  for (const auto& tensor : inputs) require_dense_cpu(tensor, "alltoall");
  for (const auto& tensor : outputs) require_dense_cpu(tensor, "alltoall");
  return post(call(c10d::OpType::ALLTOALL, "manta:all_to_all", options), outputs, [outputs, inputs](Group& group) {
    const auto from = dense_of(inputs, true), to = dense_of(outputs, false);
    group.all_to_all(parts_of<const std::byte>(from), parts_of<std::byte>(to));
    all_done(to);
  });
}

}  // namespace manta::collective
