#include <algorithm>
#include <cstring>
#include <map>
#include <span>
#include <string>

#include <torch/csrc/jit/runtime/jit_exception.h>
#include <torch/torch.h>

#include <manta/detail/thrown.h>
#include <manta/serve/http.h>
#include <manta/serve/torch.h>

#include "serve/torch/named_inference.h"

namespace manta::serve {

namespace {

constexpr std::pair<DataType, at::ScalarType> kTypes[] = {
    {DataType::BOOL, at::kBool},     {DataType::UINT8, at::kByte},    {DataType::UINT16, at::kUInt16},
    {DataType::UINT32, at::kUInt32}, {DataType::UINT64, at::kUInt64}, {DataType::INT8, at::kChar},
    {DataType::INT16, at::kShort},   {DataType::INT32, at::kInt},     {DataType::INT64, at::kLong},
    {DataType::FP16, at::kHalf},     {DataType::BF16, at::kBFloat16}, {DataType::FP32, at::kFloat},
    {DataType::FP64, at::kDouble}};

// The text without the C++ frames that c10 adds.
std::string without_frames(std::string text) {
  text.erase(std::min(text.find("\nException raised from "), text.size()));
  text.erase(text.find_last_not_of(" \n") + 1);
  return text;
}

[[noreturn]] void refuse(const std::string& why) { throw HttpError(400, "the model refuses these inputs: " + why); }
[[noreturn]] void failed(const std::string& why) { throw HttpError(500, "the model failed: " + without_frames(why)); }

struct Prepared {
  std::size_t place = 0;  // in the batch
  NamedTensors inputs;
  std::int64_t rows = 0;  // dimension 0 of all inputs; -1: they differ or have none
  std::string kind;       // requests of the same kind can be joined
};

Prepared prepare(const InferenceRequest& request, const ModelInfo& info, std::size_t place) {
  check_inputs(request, info);
  Prepared prepared{.place = place};
  const auto add = [&](const Tensor& input) {
    prepared.inputs.emplace_back(input.name, to_torch(input));
    const std::int64_t rows = input.shape.empty() ? -1 : input.shape[0];
    prepared.rows = prepared.inputs.size() == 1 || prepared.rows == rows ? rows : -1;
    prepared.kind += input.name + ":" + std::string(to_string(input.type)) + ":";
    for (std::size_t i = 1; i < input.shape.size(); ++i) prepared.kind += std::to_string(input.shape[i]) + ",";
    prepared.kind += std::to_string(input.shape.size()) + ";";
  };
  const auto find = [](const auto& all, const std::string& name) {
    return std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.name == name; });
  };
  for (const TensorInfo& wanted : info.inputs) {
    if (const auto it = find(request.inputs, wanted.name); it != request.inputs.end()) add(*it);
  }
  for (const Tensor& input : request.inputs) {
    if (find(info.inputs, input.name) == info.inputs.end()) add(input);
  }
  if (prepared.inputs.empty()) prepared.rows = -1;
  return prepared;
}

// The outputs as info declares them: by name, or by position if the model gives no names.
NamedTensors declared(NamedTensors outputs, const ModelInfo& info) {
  if (info.outputs.empty()) return outputs;
  NamedTensors ordered;
  for (const TensorInfo& wanted : info.outputs) {
    const auto it =
        std::find_if(outputs.begin(), outputs.end(), [&](const auto& each) { return each.first == wanted.name; });
    if (it != outputs.end()) ordered.push_back(*it);
  }
  if (ordered.size() == info.outputs.size()) return ordered;
  std::string names;
  bool numbered = outputs.size() == info.outputs.size();
  for (const auto& [name, tensor] : outputs) {
    names += (names.empty() ? "" : ", ") + name;
    numbered = numbered && name.starts_with("output__");
  }
  if (!numbered) {
    throw HttpError(500, "the model returns " + std::to_string(outputs.size()) + " outputs (" + names + "), " +
                             std::to_string(info.outputs.size()) + " are declared");
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) outputs[i].first = info.outputs[i].name;
  return outputs;
}

InferenceResponse response_of(NamedTensors outputs, const ModelInfo& info) {
  InferenceResponse response;
  for (auto& [name, tensor] : declared(std::move(outputs), info)) response.outputs.push_back(from_torch(name, tensor));
  return response;
}

// Computes several requests as one. False: they cannot be computed together.
bool compute_joined(std::span<const Prepared> group, const ModelInfo& info, const NamedForward& forward,
                    std::vector<Result<InferenceResponse>>& results) {
  try {
    std::int64_t rows = 0;
    for (const Prepared& each : group) rows += each.rows;
    NamedTensors inputs = group.front().inputs;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      std::vector<at::Tensor> parts;
      for (const Prepared& each : group) parts.push_back(each.inputs[i].second);
      inputs[i].second = at::cat(parts, 0);
    }
    const NamedTensors outputs = forward(inputs);
    for (const auto& [name, output] : outputs) {
      if (output.dim() == 0 || output.size(0) != rows) return false;
    }
    std::int64_t from = 0;
    for (const Prepared& each : group) {
      NamedTensors own;
      for (const auto& [name, output] : outputs) own.emplace_back(name, output.slice(0, from, from + each.rows));
      results[each.place] = response_of(std::move(own), info);
      from += each.rows;
    }
    return true;
  } catch (...) {
    return false;  // each alone gives its own error
  }
}

void compute(const Prepared& request, const ModelInfo& info, const NamedForward& forward,
             Result<InferenceResponse>& result) {
  try {
    try {
      result = response_of(forward(request.inputs), info);
    } catch (...) {
      rethrow_as_http_error();
    }
  } catch (const HttpError& error) {
    result = fail(error.status() < 500 ? ErrorCode::invalid_argument : ErrorCode::internal, error.what());
  }
}

}  // namespace

at::Tensor to_torch(const Tensor& tensor) {
  for (const auto& [type, scalar] : kTypes) {
    if (type != tensor.type) continue;
    at::Tensor made = at::empty(tensor.shape, at::TensorOptions(scalar));
    if (made.nbytes() != tensor.data.size())
      throw HttpError(400, "the data of '" + tensor.name + "' does not fill its shape");
    std::memcpy(made.mutable_data_ptr(), tensor.data.data(), tensor.data.size());
    return made;
  }
  throw HttpError(400,
                  "'" + tensor.name + "' is " + std::string(to_string(tensor.type)) + ", which LibTorch does not have");
}

Tensor from_torch(std::string name, const at::Tensor& tensor) {
  const at::Tensor plain = tensor.detach().to(at::kCPU).contiguous();
  for (const auto& [type, scalar] : kTypes) {
    if (scalar != plain.scalar_type()) continue;
    return {std::move(name), type, plain.sizes().vec(),
            std::string(static_cast<const char*>(plain.const_data_ptr()), plain.nbytes())};
  }
  throw HttpError(500, "the output '" + name + "' is " + std::string(c10::toString(plain.scalar_type())) +
                           ", which the protocol does not have");
}

void rethrow_as_http_error() {
  try {
    throw;
  } catch (const HttpError&) {
    throw;
  } catch (const torch::jit::JITException& error) {
    const std::string type = error.getPythonClassName().value_or("");
    const std::string text = error.getOriginalMsg().value_or(error.what());
    for (const char* const of_inputs : {"ValueError", "TypeError", "IndexError", "KeyError"}) {
      if (type == of_inputs || type.ends_with(std::string(".") + of_inputs)) refuse(type + ": " + text);
    }
    failed(error.what());
  } catch (const c10::IndexError& error) {
    refuse(without_frames(error.what_without_backtrace()));
  } catch (const c10::ValueError& error) {
    refuse(without_frames(error.what_without_backtrace()));
  } catch (const c10::TypeError& error) {
    refuse(without_frames(error.what_without_backtrace()));
  } catch (const c10::Error& error) {
    failed(error.what_without_backtrace());
  } catch (...) {
    failed(manta::detail::thrown_text());
  }
}

std::vector<Result<InferenceResponse>> infer_named(const Batch<InferenceRequest>& batch, const ModelInfo& info,
                                                   const NamedForward& forward) {
  const at::NoGradGuard no_grad;
  std::vector<Result<InferenceResponse>> results(batch.size(), fail(ErrorCode::internal, "not computed"));
  std::map<std::string, std::vector<Prepared>> groups;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    try {
      Prepared prepared = prepare(batch[i], info, i);
      if (prepared.rows < 0 || info.max_batch_size <= 0) prepared.kind = "alone " + std::to_string(i);
      std::string kind = prepared.kind;
      groups[std::move(kind)].push_back(std::move(prepared));
    } catch (const HttpError& error) {
      results[i] = fail(error.status() < 500 ? ErrorCode::invalid_argument : ErrorCode::internal, error.what());
    }
  }
  for (const auto& [kind, group] : groups) {
    for (std::size_t from = 0, to = 0; from < group.size(); from = to) {
      std::int64_t rows = group[from].rows;
      for (to = from + 1; to < group.size() && rows + group[to].rows <= info.max_batch_size; ++to)
        rows += group[to].rows;
      const std::span<const Prepared> joined = std::span(group).subspan(from, to - from);
      if (joined.size() > 1 && compute_joined(joined, info, forward, results)) continue;
      for (const Prepared& each : joined) compute(each, info, forward, results[each.place]);
    }
  }
  return results;
}

std::vector<Result<InferenceResponse>> infer(const Batch<InferenceRequest>& batch, const ModelInfo& info,
                                             const Forward& forward) {
  return infer_named(batch, info, [&](const NamedTensors& inputs) {
    std::vector<at::Tensor> tensors;
    for (const auto& [name, tensor] : inputs) tensors.push_back(tensor);
    NamedTensors outputs;
    for (at::Tensor& output : forward(tensors))
      outputs.emplace_back("output__" + std::to_string(outputs.size()), std::move(output));
    return outputs;
  });
}

void load_state(std::vector<at::Tensor> parameters, std::vector<at::Tensor> buffers,
                const std::vector<at::Tensor>& state) {
  const at::NoGradGuard no_grad;
  parameters.insert(parameters.end(), buffers.begin(), buffers.end());
  if (parameters.size() != state.size()) {
    throw Error(ErrorCode::invalid_argument, "the state has " + std::to_string(state.size()) + " tensors, the module " +
                                                 std::to_string(parameters.size()) +
                                                 ". Next: serve the module that the state is of");
  }
  for (std::size_t i = 0; i < state.size(); ++i) {
    if (parameters[i].sizes() != state[i].sizes()) {
      throw Error(ErrorCode::invalid_argument, "tensor " + std::to_string(i) +
                                                   " of the state has another shape than the module's. "
                                                   "Next: serve the module that the state is of");
    }
    parameters[i].copy_(state[i]);
  }
}

}  // namespace manta::serve
