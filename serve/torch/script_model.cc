#include <torch/script.h>
#include <torch/torch.h>

#include <manta/serve/torch.h>

#include "serve/torch/named_inference.h"
#include "serve/torch/script_signature.h"

namespace manta::serve {

struct TorchScriptModel::Module {
  explicit Module(const std::string& file)
      : module(torch::jit::load(file)), signature(module.get_method("forward").function().getSchema()) {
    if (torch::cuda::is_available()) device = at::Device(at::kCUDA, 0);
    module.to(device);
    module.eval();
  }
  torch::jit::Module module;
  ScriptSignature signature;
  at::Device device{at::kCPU};
};

namespace {

// A declared input is a parameter, or a part of one (SIGNATURE-1). Each parameter without a default must be declared.
void check_declared(const std::string& file, const std::vector<TensorInfo>& inputs,
                    const std::vector<TensorInfo>& parameters) {
  const auto refuse = [&](const std::string& why) {
    throw Error(ErrorCode::invalid_argument,
                file + ": " + why + ". Next: declare all inputs that forward takes, or none");
  };
  const auto is_of = [](const TensorInfo& input, const TensorInfo& parameter) {
    return input.name == parameter.name || input.name.starts_with(parameter.name + "__");
  };
  for (const TensorInfo& input : inputs) {
    if (std::none_of(parameters.begin(), parameters.end(), [&](const auto& each) { return is_of(input, each); })) {
      refuse("the input '" + input.name + "' is declared, which forward does not take");
    }
  }
  for (const TensorInfo& parameter : parameters) {
    if (parameter.optional) continue;
    if (std::none_of(inputs.begin(), inputs.end(), [&](const auto& each) { return is_of(each, parameter); })) {
      refuse("forward takes '" + parameter.name + "', which is not declared");
    }
  }
}

void check_batched(const std::string& file, const ModelInfo& info) {
  for (const TensorInfo& input : info.inputs) {
    if (input.shape.empty() || input.shape[0] == -1) continue;
    throw Error(ErrorCode::invalid_argument, file + ": max_batch_size is " + std::to_string(info.max_batch_size) +
                                                 ", but dimension 0 of '" + input.name + "' is declared as " +
                                                 std::to_string(input.shape[0]) +
                                                 ". Next: declare it as -1, or leave max_batch_size at 0");
  }
}

}  // namespace

TorchScriptModel::TorchScriptModel(const std::string& file, ModelInfo info) : declared_(std::move(info)) {
  try {
    module_ = std::make_shared<Module>(file);
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    throw Error(ErrorCode::invalid_argument,
                file + " is no TorchScript model that can be loaded: " + text.substr(0, text.find('\n')) +
                    ". Next: write it with torch.jit.save or torch::jit::Module::save");
  } catch (const Error& error) {
    throw error.with_context(file);
  }
  if (declared_.platform == "manta") declared_.platform = "pytorch_libtorch";
  const std::vector<TensorInfo> parameters = module_->signature.inputs();
  if (!declared_.inputs.empty()) check_declared(file, declared_.inputs, parameters);
  if (declared_.max_batch_size > 0) check_batched(file, declared_);
  info_ = declared_;
  if (info_.inputs.empty()) info_.inputs = parameters;
}

std::vector<Result<InferenceResponse>> TorchScriptModel::operator()(const Batch<InferenceRequest>& batch) {
  return infer_named(batch, declared_, [this](const NamedTensors& inputs) {
    std::vector<c10::IValue> arguments = module_->signature.arguments(inputs, module_->device);
    c10::IValue result;
    try {
      result = module_->module.forward(std::move(arguments));
    } catch (...) {
      rethrow_as_http_error();
    }
    return ScriptSignature::results(result);
  });
}

}  // namespace manta::serve
