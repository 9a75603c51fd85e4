#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <manta/serve/http.h>
#include <manta/serve/inference.h>

#include "serve/protocols/tensor_data.h"

namespace manta::serve {

namespace {

struct Known {
  std::string_view name;
  std::size_t size_bytes;
};
constexpr std::array<Known, 14> kKnown{{{"BOOL", 1},
                                        {"UINT8", 1},
                                        {"UINT16", 2},
                                        {"UINT32", 4},
                                        {"UINT64", 8},
                                        {"INT8", 1},
                                        {"INT16", 2},
                                        {"INT32", 4},
                                        {"INT64", 8},
                                        {"FP16", 2},
                                        {"BF16", 2},
                                        {"FP32", 4},
                                        {"FP64", 8},
                                        {"BYTES", 0}}};

template <class T>
Tensor tensor_of(std::string name, DataType type, std::vector<std::int64_t> shape, std::span<const T> values) {
  Tensor tensor{std::move(name), type, std::move(shape), {}};
  if (tensor.elements() != static_cast<std::int64_t>(values.size())) {
    throw HttpError(500, "the output " + tensor.name + " has " + std::to_string(values.size()) +
                             " values, its shape has room for " + std::to_string(tensor.elements()));
  }
  tensor.data.assign(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  return tensor;
}

std::string written(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (const std::int64_t size : shape) text += (text.size() > 1 ? "," : "") + std::to_string(size);
  return text + "]";
}

}  // namespace

std::string_view to_string(DataType type) { return kKnown[static_cast<std::size_t>(type)].name; }

bool from_string(std::string_view text, DataType& type) {
  for (std::size_t i = 0; i < kKnown.size(); ++i) {
    if (kKnown[i].name != text) continue;
    type = static_cast<DataType>(i);
    return true;
  }
  return false;
}

std::size_t size_bytes(DataType type) { return kKnown[static_cast<std::size_t>(type)].size_bytes; }

std::int64_t Tensor::elements() const {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) count *= size;
  return count;
}

Tensor make_tensor(std::string name, std::vector<std::int64_t> shape, std::span<const float> values) {
  return tensor_of(std::move(name), DataType::FP32, std::move(shape), values);
}
Tensor make_tensor(std::string name, std::vector<std::int64_t> shape, std::span<const std::int64_t> values) {
  return tensor_of(std::move(name), DataType::INT64, std::move(shape), values);
}

const Tensor& InferenceRequest::input(std::string_view name) const {
  for (const Tensor& tensor : inputs) {
    if (tensor.name == name) return tensor;
  }
  std::string have;
  for (const Tensor& tensor : inputs) have += (have.empty() ? "" : ", ") + tensor.name;
  throw HttpError(400, "there is no input '" + std::string(name) + "'; the request has: " + have);
}

namespace {

// In what a tensor differs from its declaration; empty: in nothing.
std::string difference(const Tensor& tensor, const TensorInfo& wanted, const std::string& declared) {
  if (wanted.type && tensor.type != *wanted.type)
    return "is " + std::string(to_string(tensor.type)) + ", " + declared + std::string(to_string(*wanted.type));
  bool fits = wanted.shape.empty() || tensor.shape.size() == wanted.shape.size();
  for (std::size_t i = 0; fits && i < wanted.shape.size(); ++i)
    fits = wanted.shape[i] < 0 || wanted.shape[i] == tensor.shape[i];
  return fits ? std::string() : "has the shape " + written(tensor.shape) + ", " + declared + written(wanted.shape);
}

bool is_part(const Tensor& input, const TensorInfo& wanted) {
  return wanted.in_parts && input.name.starts_with(wanted.name + "__");
}

// The number of texts, each preceded by its length. std::string::npos: the data are malformed.
std::size_t count_of_texts(std::string_view data) {
  std::size_t count = 0;
  for (; !data.empty(); ++count) {
    std::uint32_t length = 0;
    if (data.size() < sizeof length) return std::string::npos;
    std::memcpy(&length, data.data(), sizeof length);
    data.remove_prefix(sizeof length);
    if (data.size() < length) return std::string::npos;
    data.remove_prefix(length);
  }
  return count;
}

}  // namespace

std::string wrong_data(const Tensor& tensor) {
  std::int64_t elements = 1;
  for (const std::int64_t size : tensor.shape) {
    if (size < 0 || __builtin_mul_overflow(elements, size, &elements))
      return "has the shape " + written(tensor.shape) + ", which is none";
  }
  const auto count = static_cast<std::size_t>(elements);
  if (tensor.type == DataType::BYTES) {
    return count_of_texts(tensor.data) == count
               ? ""
               : "does not hold the " + std::to_string(count) + " strings of its shape";
  }
  const std::size_t size = size_bytes(tensor.type);
  if (tensor.data.size() % size != 0)
    return "has " + std::to_string(tensor.data.size()) + " bytes, which are no whole number of elements";
  if (tensor.data.size() / size == count) return {};
  return "has " + std::to_string(tensor.data.size() / size) + " elements, its shape has " + std::to_string(count);
}

void check_inputs(const InferenceRequest& request, const ModelInfo& info) {
  if (info.inputs.empty()) return;
  std::string taken;
  for (const TensorInfo& wanted : info.inputs) {
    taken += (taken.empty() ? "" : ", ") + wanted.name;
    const auto whole = std::find_if(request.inputs.begin(), request.inputs.end(),
                                    [&](const Tensor& each) { return each.name == wanted.name; });
    if (whole == request.inputs.end()) {
      const auto belongs = [&](const Tensor& each) { return is_part(each, wanted); };
      if (wanted.optional || std::any_of(request.inputs.begin(), request.inputs.end(), belongs)) continue;
    }
    const std::string wrong = difference(request.input(wanted.name), wanted, "the model takes ");
    if (!wrong.empty()) throw HttpError(400, "input '" + wanted.name + "' " + wrong);
  }
  for (const Tensor& input : request.inputs) {
    const bool known = std::any_of(info.inputs.begin(), info.inputs.end(), [&](const TensorInfo& each) {
      return each.name == input.name || is_part(input, each);
    });
    if (!known) throw HttpError(400, "the model has no input '" + input.name + "'; it takes: " + taken);
  }
}

void check_outputs(const InferenceResponse& response, const ModelInfo& info) {
  for (const Tensor& output : response.outputs) {
    const std::string wrong = wrong_data(output);
    if (!wrong.empty()) throw HttpError(500, "the model's output '" + output.name + "' " + wrong);
  }
  if (info.outputs.empty()) return;
  for (const TensorInfo& wanted : info.outputs) {
    const auto it = std::find_if(response.outputs.begin(), response.outputs.end(),
                                 [&](const Tensor& each) { return each.name == wanted.name; });
    if (it == response.outputs.end()) throw HttpError(500, "the model did not give its output '" + wanted.name + "'");
    const std::string wrong = difference(*it, wanted, "its info() says ");
    if (!wrong.empty()) throw HttpError(500, "the model's output '" + wanted.name + "' " + wrong);
  }
  if (response.outputs.size() != info.outputs.size()) {
    throw HttpError(500, "the model gave " + std::to_string(response.outputs.size()) + " outputs, its info() has " +
                             std::to_string(info.outputs.size()));
  }
}

}  // namespace manta::serve
