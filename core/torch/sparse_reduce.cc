#include "core/torch/sparse_reduce.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <ATen/ATen.h>

#include "core/torch/tensor_bytes.h"

namespace manta::collective {

namespace {

std::span<std::byte> bytes_of(std::vector<std::int64_t>& numbers) { return std::as_writable_bytes(std::span(numbers)); }

// This rank's part, or an empty tensor for another's.
at::Tensor from_rank(Group& group, int rank, const at::Tensor& mine, at::IntArrayRef sizes) {
  at::Tensor part = rank == group.rank() ? mine.contiguous() : at::empty(sizes, mine.options());
  group.broadcast({static_cast<std::byte*>(part.data_ptr()), part.nbytes()}, rank);
  return part;
}

}  // namespace

bool takes_sparse(const std::vector<at::Tensor>& tensors, Reduction reduction) {
  const auto sparse = [](const at::Tensor& tensor) { return tensor.defined() && tensor.layout() == at::kSparse; };
  if (tensors.empty() || !std::all_of(tensors.begin(), tensors.end(), sparse)) return false;
  if (reduction == Reduction::sum || reduction == Reduction::average) return true;
  throw Error(ErrorCode::invalid_argument, "process group, allreduce: sparse tensors are summed or averaged, not " +
                                               std::string(to_string(reduction)) + ". Next: make them dense.");
}

void all_reduce_sparse(Group& group, const at::Tensor& tensor, bool average) {
  const at::Tensor mine = tensor.coalesce();
  const at::Tensor indices = mine._indices(), values = mine._values();
  std::vector<std::int64_t> shape = tensor.sizes().vec();
  shape.push_back(tensor.sparse_dim());
  shape.push_back(mine._nnz());
  const std::size_t ranks = static_cast<std::size_t>(group.size());
  std::vector<std::vector<std::int64_t>> shapes(ranks, std::vector<std::int64_t>(shape.size()));
  std::vector<std::span<std::byte>> spaces;
  for (auto& each : shapes) spaces.push_back(bytes_of(each));
  group.all_gather(bytes_of(shape), spaces);
  std::vector<at::Tensor> all_indices, all_values;
  for (const auto& each : shapes) {
    if (std::equal(shape.begin(), shape.end() - 1, each.begin())) continue;
    throw Error(ErrorCode::invalid_argument, "process group, allreduce: the ranks' sparse tensors have other shapes");
  }
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    std::vector<std::int64_t> sizes = values.sizes().vec();
    sizes[0] = shapes[rank].back();
    all_indices.push_back(from_rank(group, static_cast<int>(rank), indices, {indices.size(0), sizes[0]}));
    all_values.push_back(from_rank(group, static_cast<int>(rank), values, sizes));
  }
  at::Tensor sum =
      at::_sparse_coo_tensor_unsafe(at::cat(all_indices, 1), at::cat(all_values, 0), tensor.sizes()).coalesce();
  if (average) sum._values().div_(group.size());
  tensor.copy_(sum);
}

}  // namespace manta::collective
