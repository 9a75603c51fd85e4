#include <cstring>
#include <map>
#include <string>

#include <torch/torch.h>

#include <manta/detail/thrown.h>
#include <manta/serve/http.h>
#include <manta/serve/torch.h>

namespace manta::serve {

namespace {

constexpr std::pair<DataType, at::ScalarType> kTypes[] = {
    {DataType::BOOL, at::kBool}, {DataType::UINT8, at::kByte}, {DataType::UINT16, at::kUInt16}, {DataType::UINT32, at::kUInt32},
    {DataType::UINT64, at::kUInt64}, {DataType::INT8, at::kChar}, {DataType::INT16, at::kShort}, {DataType::INT32, at::kInt},
    {DataType::INT64, at::kLong}, {DataType::FP16, at::kHalf}, {DataType::BF16, at::kBFloat16}, {DataType::FP32, at::kFloat},
    {DataType::FP64, at::kDouble}};

// The first line, without the trace.
std::string reason(const c10::Error& error) {
  const std::string text = error.what_without_backtrace();
  return text.substr(0, text.find('\n'));
}

struct Prepared {
  std::size_t place = 0;  // in the batch
  std::vector<at::Tensor> inputs;
  std::int64_t rows = 0;  // dimension 0 of all inputs; -1: they differ
  std::string kind;       // requests of the same kind can be joined
};

Prepared prepare(const InferenceRequest& request, const ModelInfo& info, std::size_t place) {
  check_inputs(request, info);
  Prepared prepared{.place = place};
  const auto add = [&](const Tensor& input) {
    prepared.inputs.push_back(to_torch(input));
    const std::int64_t rows = input.shape.empty() ? -1 : input.shape[0];
    prepared.rows = prepared.inputs.size() == 1 || prepared.rows == rows ? rows : -1;
    prepared.kind += std::string(to_string(input.type)) + ":";
    for (std::size_t i = 1; i < input.shape.size(); ++i) prepared.kind += std::to_string(input.shape[i]) + ",";
    prepared.kind += std::to_string(input.shape.size()) + ";";
  };
  if (info.inputs.empty()) {
    for (const Tensor& input : request.inputs) add(input);
  } else {
    for (const TensorInfo& wanted : info.inputs) add(request.input(wanted.name));
  }
  return prepared;
}

InferenceResponse response_of(const std::vector<at::Tensor>& outputs, const ModelInfo& info) {
  InferenceResponse response;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    response.outputs.push_back(from_torch(i < info.outputs.size() ? info.outputs[i].name : "output__" + std::to_string(i), outputs[i]));
  }
  return response;
}

// False: they cannot be computed together.
bool compute(const std::vector<Prepared>& group, const ModelInfo& info, const Forward& forward,
             std::vector<Result<InferenceResponse>>& results) {
  std::int64_t rows = 0;
  for (const Prepared& each : group) rows += each.rows;
  try {
    std::vector<at::Tensor> inputs = group.front().inputs;
    if (group.size() > 1) {
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        std::vector<at::Tensor> parts;
        for (const Prepared& each : group) parts.push_back(each.inputs[i]);
        inputs[i] = at::cat(parts, 0);
      }
    }
    const std::vector<at::Tensor> outputs = forward(inputs);
    if (group.size() == 1) {
      results[group.front().place] = response_of(outputs, info);
      return true;
    }
    for (const at::Tensor& output : outputs) {
      if (output.dim() == 0 || output.size(0) != rows) return false;
    }
    std::int64_t from = 0;
    for (const Prepared& each : group) {
      std::vector<at::Tensor> own;
      for (const at::Tensor& output : outputs) own.push_back(output.slice(0, from, from + each.rows));
      results[each.place] = response_of(own, info);
      from += each.rows;
    }
    return true;
  } catch (const c10::Error& error) {
    if (group.size() > 1) return false;
    results[group.front().place] = fail(ErrorCode::invalid_argument, "the model refuses these inputs: " + reason(error));
  } catch (const HttpError& error) {
    if (group.size() > 1) return false;
    results[group.front().place] = fail(error.status() < 500 ? ErrorCode::invalid_argument : ErrorCode::internal, error.what());
  } catch (const std::exception& error) {
    if (group.size() > 1) return false;
    results[group.front().place] = fail(ErrorCode::internal, "the model failed: " + manta::detail::thrown_text());
  }
  return true;
}

}  // namespace

at::Tensor to_torch(const Tensor& tensor) {
  for (const auto& [type, scalar] : kTypes) {
    if (type != tensor.type) continue;
    at::Tensor made = at::empty(tensor.shape, at::TensorOptions(scalar));
    if (made.nbytes() != tensor.data.size()) throw HttpError(400, "the data of '" + tensor.name + "' does not fill its shape");
    std::memcpy(made.mutable_data_ptr(), tensor.data.data(), tensor.data.size());
    return made;
  }
  throw HttpError(400, "'" + tensor.name + "' is " + std::string(to_string(tensor.type)) + ", which LibTorch does not have");
}

Tensor from_torch(std::string name, const at::Tensor& tensor) {
  const at::Tensor plain = tensor.detach().to(at::kCPU).contiguous();
  for (const auto& [type, scalar] : kTypes) {
    if (scalar != plain.scalar_type()) continue;
    return {std::move(name), type, plain.sizes().vec(), std::string(static_cast<const char*>(plain.const_data_ptr()), plain.nbytes())};
  }
  throw HttpError(400, "the output '" + name + "' is " + std::string(c10::toString(plain.scalar_type())) + ", which the protocol does not have");
}

std::vector<Result<InferenceResponse>> infer(const Batch<InferenceRequest>& batch, const ModelInfo& info, const Forward& forward) {
  const at::NoGradGuard no_grad;
  std::vector<Result<InferenceResponse>> results(batch.size(), fail(ErrorCode::internal, "not computed"));
  std::map<std::string, std::vector<Prepared>> groups;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    try {
      Prepared prepared = prepare(batch[i], info, i);
      if (prepared.rows < 0) prepared.kind = "alone " + std::to_string(i);
      std::string kind = prepared.kind;
      groups[std::move(kind)].push_back(std::move(prepared));
    } catch (const HttpError& error) {
      results[i] = fail(ErrorCode::invalid_argument, error.what());
    }
  }
  for (auto& [kind, group] : groups) {
    if (compute(group, info, forward, results)) continue;
    for (Prepared& each : group) {
      std::vector<Prepared> alone;
      alone.push_back(std::move(each));
      compute(alone, info, forward, results);
    }
  }
  return results;
}

void load_state(std::vector<at::Tensor> parameters, std::vector<at::Tensor> buffers, const std::vector<at::Tensor>& state) {
  const at::NoGradGuard no_grad;
  parameters.insert(parameters.end(), buffers.begin(), buffers.end());
  if (parameters.size() != state.size()) {
    throw Error(ErrorCode::invalid_argument, "the state has " + std::to_string(state.size()) + " tensors, the module " +
                                                 std::to_string(parameters.size()) + ". Next: serve the module that the state is of");
  }
  for (std::size_t i = 0; i < state.size(); ++i) {
    if (parameters[i].sizes() != state[i].sizes()) {
      throw Error(ErrorCode::invalid_argument, "tensor " + std::to_string(i) + " of the state has another shape than the module's. "
                                               "Next: serve the module that the state is of");
    }
    parameters[i].copy_(state[i]);
  }
}

}  // namespace manta::serve
