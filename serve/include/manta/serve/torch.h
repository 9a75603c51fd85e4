// LibTorch's models behind the Open Inference Protocol. Link manta::serve_torch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include <manta/error.h>
#include <manta/serve/batch.h>
#include <manta/serve/deployment.h>
#include <manta/serve/inference.h>
#include <manta/torch.h>

namespace manta::serve {

/// A copy on the CPU. Throws HttpError(400) for BYTES, and for data that does not fill the shape.
at::Tensor to_torch(const Tensor& tensor);
/// A copy. Throws HttpError(500) for types that the protocol lacks (complex, quantised, 8-bit floats).
Tensor from_torch(std::string name, const at::Tensor& tensor);

/// A model's computation: inputs in, outputs out. See infer().
using Forward = std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>&)>;

/// Computes a batch with forward, without gradients. forward gets the inputs of a request in the order of info.inputs
/// (if that is empty: in the request's order). If info.max_batch_size is above 0, it gets the inputs of several
/// requests joined along dimension 0, and must return outputs with the same dimension 0. Requests whose inputs differ
/// in type or in other dimensions are computed apart, and so are all if forward throws or an output lacks that
/// dimension. Outputs are named by info.outputs, else output__0, output__1 and so on.
///
/// **Errors**: for each request a Result. If forward throws c10::ValueError, IndexError or TypeError, the request fails
/// with status 400, for any other exception with 500; both carry the whole message.
std::vector<Result<InferenceResponse>> infer(const Batch<InferenceRequest>& batch, const ModelInfo& info,
                                             const Forward& forward);

/// A TorchScript file, written by torch.jit.save in Python or torch::jit::Module::save in C++. Runs on the replica's
/// GPU if it has one. Inputs are named after forward's parameters: tensors, numbers, booleans. A list or tuple x of
/// tensors is given as x__0, x__1 and so on, a dictionary as x__KEY. An input that a request leaves out has its default
/// or is None. Outputs are named after a dictionary's keys or a named tuple's fields, else output__0, output__1 and so
/// on. Types and shapes that info does not declare are neither checked nor published.
///
/// If forward raises ValueError, TypeError, IndexError or KeyError, the request gets a 400; for any other exception it
/// gets a 500. Both carry the whole message.
///
/// **Threading**: one thread. **Ownership**: owns the module. **Errors**: the constructor throws
/// Error(invalid_argument), which names the file.
class TorchScriptModel {
 public:
  explicit TorchScriptModel(const std::string& file, ModelInfo info = {});
  std::vector<Result<InferenceResponse>> operator()(const Batch<InferenceRequest>& batch);
  ModelInfo info() const { return info_; }
  std::int64_t max_batch_size() const { return std::max<std::int64_t>(declared_.max_batch_size, 1); }

 private:
  struct Module;
  std::shared_ptr<Module> module_;
  ModelInfo declared_, info_;
};

/// A module's parameters and buffers, for TorchModule. Include <torch/torch.h>.
template <class Module>
std::vector<at::Tensor> state_of(const Module& module) {
  std::vector<at::Tensor> state = module.parameters();
  for (const at::Tensor& buffer : module.buffers()) state.push_back(buffer);
  for (at::Tensor& tensor : state) tensor = tensor.detach();
  return state;
}
/// Copies the state into parameters and buffers. Throws Error(invalid_argument) if count or shapes differ.
void load_state(std::vector<at::Tensor> parameters, std::vector<at::Tensor> buffers,
                const std::vector<at::Tensor>& state);

/// A module of LibTorch's C++ API; Net is its holder (TORCH_MODULE): TorchModule<Net>(state_of(*trained), info). Each
/// replica default-constructs a Net and copies the state into it.
///
/// **Threading**: one thread. **Ownership**: owns the module. **Errors**: those of load_state and infer.
template <class Net>
class TorchModule {
 public:
  explicit TorchModule(const std::vector<at::Tensor>& state, ModelInfo info = {}) : info_(std::move(info)) {
    load_state(net_->parameters(), net_->buffers(), state);
    net_->eval();
  }
  std::vector<Result<InferenceResponse>> operator()(const Batch<InferenceRequest>& batch) {
    return infer(batch, info_, [this](const std::vector<at::Tensor>& inputs) {
      return std::vector<at::Tensor>{net_->forward(inputs.at(0))};
    });
  }
  ModelInfo info() const { return info_; }
  std::int64_t max_batch_size() const { return std::max<std::int64_t>(info_.max_batch_size, 1); }

 private:
  Net net_;
  ModelInfo info_;
};

}  // namespace manta::serve
