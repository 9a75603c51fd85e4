#include "train/ddp/network_tensors.h"

#include <unordered_set>

#include <torch/nn/modules/embedding.h>

#include <manta/error.h>

namespace manta::train::detail {

namespace {

bool has_sparse_gradient(const torch::nn::Module& module) {
  if (const auto* embedding = module.as<torch::nn::EmbeddingImpl>()) return embedding->options.sparse();
  if (const auto* bag = module.as<torch::nn::EmbeddingBagImpl>()) return bag->options.sparse();
  return false;
}

}  // namespace

TrainedParameters trained_parameters(torch::nn::Module& network) {
  TrainedParameters found;
  std::unordered_set<const c10::TensorImpl*> seen;
  for (const auto& module : network.named_modules()) {
    const std::string prefix = module.key().empty() ? "" : module.key() + ".";
    for (const auto& parameter : module.value()->named_parameters(/*recurse=*/false)) {
      const at::Tensor& tensor = parameter.value();
      if (!tensor.requires_grad() || !seen.insert(tensor.unsafeGetTensorImpl()).second) continue;
      found.names[found.tensors.size()] = prefix + parameter.key();
      found.tensors.push_back(tensor);
      found.sparse.push_back(has_sparse_gradient(*module.value()));
    }
  }
  if (found.tensors.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "DistributedDataParallel: " + network.name() +
                    " has no parameter that "
                    "requires a gradient. Next: train it without DistributedDataParallel, or set requires_grad.");
  }
  return found;
}

}  // namespace manta::train::detail
