#include "train/ddp/divergence.h"

#include <functional>
#include <map>
#include <string_view>
#include <vector>

#include <manta/error.h>

namespace manta::train::detail {

namespace {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

NamedTensors tensors_to_compare(const torch::nn::Module& network, bool buffers) {
  NamedTensors tensors;
  for (const auto& parameter : network.named_parameters()) {
    tensors.emplace_back("parameter " + parameter.key(), parameter.value());
  }
  if (!buffers) return tensors;
  for (const auto& buffer : network.named_buffers()) {
    if (buffer.value().defined()) tensors.emplace_back("buffer " + buffer.key(), buffer.value());
  }
  return tensors;
}

}  // namespace

std::int64_t hash_of(const at::Tensor& tensor) {
  const at::Tensor dense = (tensor.is_sparse() ? tensor.to_dense() : tensor).detach().cpu().contiguous();
  const std::string_view bytes(static_cast<const char*>(dense.const_data_ptr()), dense.nbytes());
  return static_cast<std::int64_t>(std::hash<std::string_view>()(bytes));
}

std::string ranks_text(const std::vector<int>& ranks) {
  std::string text = ranks.size() == 1 ? "rank " : "ranks ";
  for (std::size_t i = 0; i < ranks.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(ranks[i]);
  return text;
}

void require_same_on_all_ranks(c10d::ProcessGroup& group, const torch::nn::Module& network, bool buffers,
                               const std::string& when) {
  const at::NoGradGuard no_grad;
  const NamedTensors tensors = tensors_to_compare(network, buffers);
  std::vector<std::int64_t> hashes;
  for (const auto& [name, tensor] : tensors) hashes.push_back(hash_of(tensor));
  std::vector<at::Tensor> mine{at::tensor(hashes, at::kLong)};
  std::vector<std::vector<at::Tensor>> all(1);
  for (int rank = 0; rank < group.getSize(); ++rank) all[0].push_back(at::empty_like(mine[0]));
  group.allgather(all, mine)->wait();
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    std::map<std::int64_t, std::vector<int>> ranks_by_hash;
    for (int rank = 0; rank < group.getSize(); ++rank) {
      const auto index = static_cast<std::int64_t>(i);
      ranks_by_hash[all[0][static_cast<std::size_t>(rank)][index].item<std::int64_t>()].push_back(rank);
    }
    if (ranks_by_hash.size() == 1) continue;
    std::string values;
    for (const auto& [hash, ranks] : ranks_by_hash) values += (values.empty() ? "" : "; ") + ranks_text(ranks);
    throw Error(ErrorCode::invalid_argument,
                "DistributedDataParallel: " + when + " " + tensors[i].first +
                    " is not the same on all ranks (equal among themselves: " + values +
                    "). Next: see that all ranks make "
                    "the same optimizer steps, and that nothing else changes the network on some of them.");
  }
}

}  // namespace manta::train::detail
