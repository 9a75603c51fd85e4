// The operations of NcclBackend whose tensors are several, one for each rank.
#include <string>
#include <utility>
#include <vector>

#include "core/torch/nccl_backend.h"
#include "core/torch/nccl_communicator.h"
#include "core/torch/nccl_tensors.h"

namespace manta::collective {

namespace {

using Tensors = std::vector<at::Tensor>;

// whole: the parts of all ranks, one after the other.
void require_whole(const at::Tensor& whole, const at::Tensor& part, int size, const char* operation) {
  require_cuda(whole, operation);
  require_cuda(part, operation);
  if (whole.scalar_type() != part.scalar_type() || whole.numel() != part.numel() * size) {
    refuse_cuda(operation, "the larger tensor must have the smaller one's type and " + std::to_string(size) +
                               " times its elements");
  }
}

const Tensors& only_list(const std::vector<Tensors>& lists, int size, const at::Tensor& like, const char* operation) {
  if (lists.size() != 1 || lists[0].size() != static_cast<std::size_t>(size)) {
    refuse_cuda(operation, "one list of " + std::to_string(size) + " tensors is needed");
  }
  for (const auto& tensor : lists[0]) {
    require_cuda(tensor, operation);
    if (tensor.scalar_type() != like.scalar_type() || tensor.numel() != like.numel()) {
      refuse_cuda(operation, "all tensors must have the type and the number of elements of this rank's");
    }
  }
  return lists[0];
}

Tensors joined(const Tensors& some, const Tensors& others) {
  Tensors all = some;
  all.insert(all.end(), others.begin(), others.end());
  return all;
}

void gather_whole(const NcclCalls& calls, const at::Tensor& output, const at::Tensor& input) {
  calls.require(calls.nccl.all_gather(input.data_ptr(), output.data_ptr(), input.nbytes(), ncclInt8, calls.communicator,
                                      calls.stream));
}
void reduce_whole(const NcclCalls& calls, const at::Tensor& output, const at::Tensor& input, NcclReduction reduction) {
  calls.require(calls.nccl.reduce_scatter(input.data_ptr(), output.data_ptr(), count_of(output), reduction.type,
                                          reduction.operation, calls.communicator, calls.stream));
}

// Bytes of each rank's part along the first dimension; no sizes: equal parts.
std::vector<std::size_t> split_bytes(const at::Tensor& tensor, const std::vector<int64_t>& sizes, int size) {
  const int64_t rows = tensor.dim() == 0 ? 0 : tensor.size(0);
  int64_t sum = 0;
  bool right = tensor.dim() > 0 && (sizes.empty() ? rows % size == 0 : sizes.size() == static_cast<std::size_t>(size));
  for (const int64_t one : sizes) {
    right = right && one >= 0 && one <= rows - sum;
    sum += right ? one : 0;
  }
  if (!right || (!sizes.empty() && sum != rows)) {
    refuse_cuda("alltoall_base", "the first dimension, of " + std::to_string(rows) + ", is not split into " +
                                     std::to_string(size) + " parts by these sizes");
  }
  const std::size_t row = rows == 0 ? 0 : tensor.nbytes() / static_cast<std::size_t>(rows);
  std::vector<std::size_t> bytes;
  for (int rank = 0; rank < size; ++rank) {
    const int64_t part = sizes.empty() ? rows / size : sizes[static_cast<std::size_t>(rank)];
    bytes.push_back(row * static_cast<std::size_t>(part));
  }
  return bytes;
}

}  // namespace

using Work = NcclBackend::WorkPtr;

// NCCL gathers into one piece of memory, which is the group's stream's own; the outputs are copied from it.
Work NcclBackend::allgather(std::vector<Tensors>& outputs, Tensors& inputs, const c10d::AllgatherOptions& options) {
  const at::Tensor& input = only_tensor(inputs, "allgather");
  const Tensors& to = only_list(outputs, size_, input, "allgather");
  return post({c10d::OpType::ALLGATHER, "nccl:all_gather", options.timeout}, to, joined(to, inputs),
              [&](const NcclCalls& calls) {
                const at::Tensor whole = at::empty({size_, input.numel()}, input.options().requires_grad(false));
                gather_whole(calls, whole, input);
                for (int64_t i = 0; i < size_; ++i) {
                  const at::Tensor& output = to[static_cast<std::size_t>(i)];
                  output.copy_(whole.select(0, i).view(output.sizes()), /*non_blocking=*/true);
                }
              });
}

Work NcclBackend::_allgather_base(at::Tensor& output, at::Tensor& input, const c10d::AllgatherOptions& options) {
  require_whole(output, input, size_, "_allgather_base");
  return post({c10d::OpType::_ALLGATHER_BASE, "nccl:all_gather", options.timeout}, {output}, {output, input},
              [&](const NcclCalls& calls) { gather_whole(calls, output, input); });
}

Work NcclBackend::allgather_into_tensor_coalesced(Tensors& outputs, Tensors& inputs,
                                                  const c10d::AllgatherOptions& options) {
  require_tensors(inputs, "allgather_into_tensor_coalesced");
  if (outputs.size() != inputs.size()) {
    refuse_cuda("allgather_into_tensor_coalesced", "an output for each input is needed");
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    require_whole(outputs[i], inputs[i], size_, "allgather_into_tensor_coalesced");
  }
  return post({c10d::OpType::COALESCED, "nccl:all_gather", options.timeout}, outputs, joined(outputs, inputs),
              [&](const NcclCalls& calls) {
                calls.together([&] {
                  for (std::size_t i = 0; i < inputs.size(); ++i) gather_whole(calls, outputs[i], inputs[i]);
                });
              });
}

Work NcclBackend::reduce_scatter(Tensors& outputs, std::vector<Tensors>& inputs,
                                 const c10d::ReduceScatterOptions& options) {
  const at::Tensor& output = only_tensor(outputs, "reduce_scatter");
  const Tensors& from = only_list(inputs, size_, output, "reduce_scatter");
  const NcclReduction reduction = nccl_reduction(output, options.reduceOp, "reduce_scatter");
  return post({c10d::OpType::REDUCE_SCATTER, "nccl:reduce_scatter", options.timeout}, outputs, joined(outputs, from),
              [&](const NcclCalls& calls) {
                const at::Tensor whole = at::empty({size_, output.numel()}, output.options().requires_grad(false));
                for (int64_t i = 0; i < size_; ++i) {
                  whole.select(0, i).copy_(from[static_cast<std::size_t>(i)].view(-1), /*non_blocking=*/true);
                }
                reduce_whole(calls, output, whole, reduction);
              });
}

Work NcclBackend::_reduce_scatter_base(at::Tensor& output, at::Tensor& input,
                                       const c10d::ReduceScatterOptions& options) {
  require_whole(input, output, size_, "_reduce_scatter_base");
  const NcclReduction reduction = nccl_reduction(output, options.reduceOp, "_reduce_scatter_base");
  return post({c10d::OpType::_REDUCE_SCATTER_BASE, "nccl:reduce_scatter", options.timeout}, {output}, {output, input},
              [&](const NcclCalls& calls) { reduce_whole(calls, output, input, reduction); });
}

Work NcclBackend::reduce_scatter_tensor_coalesced(Tensors& outputs, Tensors& inputs,
                                                  const c10d::ReduceScatterOptions& options) {
  require_tensors(outputs, "reduce_scatter_tensor_coalesced");
  if (outputs.size() != inputs.size()) {
    refuse_cuda("reduce_scatter_tensor_coalesced", "an output for each input is needed");
  }
  std::vector<NcclReduction> reductions;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    require_whole(inputs[i], outputs[i], size_, "reduce_scatter_tensor_coalesced");
    reductions.push_back(nccl_reduction(outputs[i], options.reduceOp, "reduce_scatter_tensor_coalesced"));
  }
  return post({c10d::OpType::COALESCED, "nccl:reduce_scatter", options.timeout}, outputs, joined(outputs, inputs),
              [&](const NcclCalls& calls) {
                calls.together([&] {
                  for (std::size_t i = 0; i < inputs.size(); ++i) {
                    reduce_whole(calls, outputs[i], inputs[i], reductions[i]);
                  }
                });
              });
}

Work NcclBackend::alltoall_base(at::Tensor& output, at::Tensor& input, std::vector<int64_t>& output_splits,
                                std::vector<int64_t>& input_splits, const c10d::AllToAllOptions& options) {
  require_cuda(output, "alltoall_base");
  require_cuda(input, "alltoall_base");
  if (output.scalar_type() != input.scalar_type()) {
    refuse_cuda("alltoall_base", "input and output must be of the same type");
  }
  const auto incoming = split_bytes(output, output_splits, size_), outgoing = split_bytes(input, input_splits, size_);
  return post({c10d::OpType::ALLTOALL_BASE, "nccl:all_to_all", options.timeout}, {output}, {output, input},
              [&](const NcclCalls& calls) {
                calls.together([&] {
                  auto* from = static_cast<std::byte*>(input.data_ptr());
                  auto* to = static_cast<std::byte*>(output.data_ptr());
                  for (int rank = 0; rank < size_; ++rank) {
                    const std::size_t sent = outgoing[static_cast<std::size_t>(rank)];
                    const std::size_t received = incoming[static_cast<std::size_t>(rank)];
                    calls.require(calls.nccl.send(from, sent, ncclInt8, rank, calls.communicator, calls.stream));
                    calls.require(calls.nccl.recv(to, received, ncclInt8, rank, calls.communicator, calls.stream));
                    from += sent;
                    to += received;
                  }
                });
              });
}

}  // namespace manta::collective
