// Models of LibTorch behind the Open Inference Protocol. Link manta::serve_torch.
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

// Copies. Throw HttpError(400) for types that the other does not have (BYTES; complex, quantised and 8-bit floats).
at::Tensor to_torch(const Tensor& tensor);
Tensor from_torch(std::string name, const at::Tensor& tensor);

// forward gets the inputs of a request, in the order of info.inputs (where that is empty: of the request). Where
// info.max_batch_size is above 0, it gets those of several requests joined along dimension 0, and returns outputs whose
// dimension 0 is as long; requests whose inputs have other types or sizes beyond dimension 0 are computed apart, and so are
// all where forward throws or an output has no such dimension. Outputs are named by info.outputs, else output__0, output__1
// and so on. Without gradients. A c10::ValueError, IndexError or TypeError is the request's fault (400), whatever else
// forward throws the model's (500); both come with the whole message.
using Forward = std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>&)>;
std::vector<Result<InferenceResponse>> infer(const Batch<InferenceRequest>& batch, const ModelInfo& info,
                                             const Forward& forward);

// A TorchScript file, written by torch.jit.save in Python or torch::jit::Module::save here. Runs on the GPU where the
// replica has one. Inputs have the names of forward's parameters: tensors, numbers, booleans; a list or tuple x of tensors
// is x__0, x__1 and so on, a dictionary x__KEY. What a request leaves out has its default, or is None. Outputs have the
// names of a dictionary's keys or of a named tuple's fields, else output__0, output__1 and so on. Types and shapes that
// info does not declare are neither checked nor told to clients.
//
// What forward raises as ValueError, TypeError, IndexError or KeyError is the request's fault (400), all else the model's
// (500); both come with the whole message.
//
// Errors: the constructor throws Error(invalid_argument) that names the file.
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

// A module of LibTorch's C++ API, Net being its holder (TORCH_MODULE): TorchModule<Net>(state_of(*trained), info). It is
// default-constructed in each replica, and gets the parameters and buffers of the state. Include <torch/torch.h>.
template <class Module>
std::vector<at::Tensor> state_of(const Module& module) {
  std::vector<at::Tensor> state = module.parameters();
  for (const at::Tensor& buffer : module.buffers()) state.push_back(buffer);
  for (at::Tensor& tensor : state) tensor = tensor.detach();
  return state;
}
void load_state(std::vector<at::Tensor> parameters, std::vector<at::Tensor> buffers,
                const std::vector<at::Tensor>& state);

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
