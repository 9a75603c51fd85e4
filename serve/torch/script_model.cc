#include <torch/script.h>
#include <torch/torch.h>

#include <manta/serve/torch.h>

namespace manta::serve {

struct TorchScriptModel::Module {
  torch::jit::Module module;
  at::Device device{at::kCPU};
};

namespace {

std::vector<at::Tensor> tensors_of(const c10::IValue& value) {
  if (value.isTensor()) return {value.toTensor()};
  if (value.isTensorList()) return value.toTensorVector();
  std::vector<at::Tensor> tensors;
  if (value.isTuple()) {
    for (const c10::IValue& each : value.toTupleRef().elements()) {
      if (!each.isTensor()) throw HttpError(500, "the model's forward returns a tuple of something else than tensors");
      tensors.push_back(each.toTensor());
    }
    return tensors;
  }
  throw HttpError(500, "the model's forward returns something else than tensors: " + value.tagKind());
}

}  // namespace

TorchScriptModel::TorchScriptModel(const std::string& file, ModelInfo info) : module_(std::make_shared<Module>()), info_(std::move(info)) {
  try {
    module_->module = torch::jit::load(file);
    if (torch::cuda::is_available()) module_->device = at::Device(at::kCUDA, 0);
    module_->module.to(module_->device);
    module_->module.eval();
    if (info_.platform == "manta") info_.platform = "pytorch_libtorch";
    const auto& arguments = module_->module.get_method("forward").function().getSchema().arguments();
    if (info_.inputs.empty()) {
      for (std::size_t i = 1; i < arguments.size(); ++i) info_.inputs.push_back({arguments[i].name(), std::nullopt, {}});
    } else if (info_.inputs.size() + 1 != arguments.size()) {
      throw Error(ErrorCode::invalid_argument, file + ": forward takes " + std::to_string(arguments.size() - 1) + " inputs, " +
                                                   std::to_string(info_.inputs.size()) + " are declared. Next: declare all or none");
    }
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    throw Error(ErrorCode::invalid_argument, file + " is no TorchScript model that can be loaded: " + text.substr(0, text.find('\n')) +
                                                 ". Next: write it with torch.jit.save or torch::jit::Module::save");
  }
}

std::vector<Result<InferenceResponse>> TorchScriptModel::operator()(const Batch<InferenceRequest>& batch) {
  return infer(batch, info_, [this](const std::vector<at::Tensor>& inputs) {
    std::vector<c10::IValue> values;
    for (const at::Tensor& input : inputs) values.emplace_back(input.to(module_->device));
    c10::IValue result;
    try {
      result = module_->module.forward(std::move(values));
    } catch (const std::runtime_error& error) {  // of the interpreter; the reason is its last line
      std::string text = error.what();
      text.erase(text.find_last_not_of('\n') + 1);
      throw HttpError(400, "the model refuses these inputs: " + text.substr(text.rfind('\n') + 1));
    }
    return tensors_of(result);
  });
}

}  // namespace manta::serve
