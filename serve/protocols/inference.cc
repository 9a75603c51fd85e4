// POST /v2/models/NAME/infer: the Open Inference Protocol's JSON ("Predict Protocol - Version 2", KServe), with
// Triton's binary tensor data extension: tensors follow the JSON, whose length is in the header
// Inference-Header-Content-Length.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include <manta/serve/detail/replica.h>

#include "serve/protocols/tensor_data.h"

namespace manta::serve::detail {

namespace {

using Json = nlohmann::json;

constexpr std::string_view kLengthHeader = "inference-header-content-length";

[[noreturn]] void refuse(const std::string& what) { throw HttpError(400, what); }

// A value for an error message.
std::string shown(const Json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "an array";
  const std::string text = write_json(value, Json::error_handler_t::replace);
  return text.size() <= 40 ? text : text.substr(0, 40) + "...";
}

const Json& member(const Json& object, const char* name, const std::string& of) {
  const auto it = object.find(name);
  if (it == object.end()) refuse(of + " has no \"" + name + "\"");
  return *it;
}

template <class T>
void put_number(std::string& data, T value) {
  data.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <class T>
void put_integer(std::string& data, const Json& value, const std::string& of) {
  if (!value.is_number_integer()) refuse(of + ": " + shown(value) + " is no integer");
  const bool fits = value.is_number_unsigned()
                        ? value.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<T>::max())
                        : std::is_signed_v<T> &&
                              value.get<std::int64_t>() >= static_cast<std::int64_t>(std::numeric_limits<T>::min());
  if (!fits) refuse(of + ": " + shown(value) + " is out of range");
  put_number(data, value.get<T>());
}

void put_value(Tensor& tensor, const Json& value, const std::string& of) {
  std::string& data = tensor.data;
  switch (tensor.type) {
    case DataType::BOOL:
      if (!value.is_boolean()) refuse(of + ": " + shown(value) + " is neither true nor false");
      return put_number(data, static_cast<std::uint8_t>(value.get<bool>()));
    case DataType::UINT8:
      return put_integer<std::uint8_t>(data, value, of);
    case DataType::UINT16:
      return put_integer<std::uint16_t>(data, value, of);
    case DataType::UINT32:
      return put_integer<std::uint32_t>(data, value, of);
    case DataType::UINT64:
      return put_integer<std::uint64_t>(data, value, of);
    case DataType::INT8:
      return put_integer<std::int8_t>(data, value, of);
    case DataType::INT16:
      return put_integer<std::int16_t>(data, value, of);
    case DataType::INT32:
      return put_integer<std::int32_t>(data, value, of);
    case DataType::INT64:
      return put_integer<std::int64_t>(data, value, of);
    case DataType::FP32:
    case DataType::FP64: {
      if (!value.is_number()) refuse(of + ": " + shown(value) + " is no number");
      const auto number = value.get<double>();
      if (tensor.type == DataType::FP64) return put_number(data, number);
      if (std::isfinite(number) && std::abs(number) > double{std::numeric_limits<float>::max()})
        refuse(of + ": " + shown(value) + " is out of range");
      return put_number(data, static_cast<float>(number));
    }
    case DataType::BYTES: {
      if (!value.is_string()) refuse(of + ": " + shown(value) + " is no string");
      const auto& text = value.get_ref<const std::string&>();
      put_number(data, static_cast<std::uint32_t>(text.size()));
      data += text;
      return;
    }
    case DataType::FP16:
    case DataType::BF16:
      refuse(of + ": " + std::string(to_string(tensor.type)) + " has no form in JSON; send it as binary data");
  }
}

// Appends elements from `dimension` on, nested like the shape.
void put_nested(Tensor& tensor, const Json& values, const std::string& of, std::size_t dimension) {
  const std::size_t dimensions = tensor.shape.size();
  if (dimension >= dimensions || !values.is_array() ||
      values.size() != static_cast<std::size_t>(tensor.shape[dimension])) {
    refuse(of + ": its data are not nested as its shape says");
  }
  for (const Json& value : values) {
    if (dimension + 1 < dimensions) {
      put_nested(tensor, value, of, dimension + 1);
    } else {
      put_value(tensor, value, of);
    }
  }
}

// The elements nested, or all in one row-major array.
void put_values(Tensor& tensor, const Json& values, const std::string& of) {
  if (!values.empty() && values.front().is_array()) return put_nested(tensor, values, of, 0);
  for (const Json& value : values) put_value(tensor, value, of);
}

void check_size(const Tensor& tensor, const std::string& of) {
  const std::string wrong = wrong_data(tensor);
  if (!wrong.empty()) refuse(of + " " + wrong);
}

void read_shape(Tensor& tensor, const Json& shape, const std::string& of) {
  if (!shape.is_array()) refuse(of + ": \"shape\" is no array");
  std::int64_t elements = 1;
  for (const Json& size : shape) {
    const bool good = size.is_number_integer() &&
                      (!size.is_number_unsigned() || size.get<std::uint64_t>() <= (std::uint64_t{1} << 40)) &&
                      size.get<std::int64_t>() >= 0;
    if (!good) refuse(of + ": " + shown(size) + " in its shape is no size");
    tensor.shape.push_back(size.get<std::int64_t>());
    if (__builtin_mul_overflow(elements, std::max<std::int64_t>(tensor.shape.back(), 1), &elements) ||
        elements > (std::int64_t{1} << 40)) {
      refuse(of + ": its shape is too large");
    }
  }
}

Tensor read_input(const Json& json, std::string_view& binary) {
  if (!json.is_object()) refuse("an input is no object");
  const Json& name = member(json, "name", "an input");
  if (!name.is_string()) refuse("an input's \"name\" is no string");
  Tensor tensor;
  tensor.name = name.get<std::string>();
  const std::string of = "input '" + tensor.name + "'";
  const Json& type = member(json, "datatype", of);
  if (!type.is_string() || !from_string(type.get_ref<const std::string&>(), tensor.type)) {
    refuse(of + ": " + shown(type) + " is no datatype of the protocol");
  }
  read_shape(tensor, member(json, "shape", of), of);
  const auto parameters = json.find("parameters");
  const bool has_parameters = parameters != json.end() && parameters->is_object();
  if (has_parameters && parameters->contains("shared_memory_region"))
    refuse(of + ": shared memory regions are not supported");
  if (has_parameters && parameters->contains("binary_data_size")) {
    const Json& size = (*parameters)["binary_data_size"];
    if (!size.is_number_unsigned() || size.get<std::uint64_t>() > binary.size()) {
      refuse(of + " announces " + shown(size) + " bytes of binary data, " + std::to_string(binary.size()) +
             " are left of the body");
    }
    tensor.data = binary.substr(0, size.get<std::size_t>());
    binary.remove_prefix(size.get<std::size_t>());
  } else {
    const Json& data = member(json, "data", of);
    if (!data.is_array()) refuse(of + ": \"data\" is no array");
    tensor.data.reserve(static_cast<std::size_t>(std::min<std::int64_t>(tensor.elements(), 1 << 20)) *
                        size_bytes(tensor.type));
    put_values(tensor, data, of);
  }
  check_size(tensor, of);
  return tensor;
}

template <class T>
void add_numbers(Json& data, const std::string& bytes) {
  for (std::size_t at = 0; at + sizeof(T) <= bytes.size(); at += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    data.push_back(value);
  }
}

Json values_of(const Tensor& tensor) {
  Json data = Json::array();
  switch (tensor.type) {
    case DataType::BOOL:
      for (const char value : tensor.data) data.push_back(value != 0);
      break;
    case DataType::UINT8:
      add_numbers<std::uint8_t>(data, tensor.data);
      break;
    case DataType::UINT16:
      add_numbers<std::uint16_t>(data, tensor.data);
      break;
    case DataType::UINT32:
      add_numbers<std::uint32_t>(data, tensor.data);
      break;
    case DataType::UINT64:
      add_numbers<std::uint64_t>(data, tensor.data);
      break;
    case DataType::INT8:
      add_numbers<std::int8_t>(data, tensor.data);
      break;
    case DataType::INT16:
      add_numbers<std::int16_t>(data, tensor.data);
      break;
    case DataType::INT32:
      add_numbers<std::int32_t>(data, tensor.data);
      break;
    case DataType::INT64:
      add_numbers<std::int64_t>(data, tensor.data);
      break;
    case DataType::FP32:
      add_numbers<float>(data, tensor.data);
      break;
    case DataType::FP64:
      add_numbers<double>(data, tensor.data);
      break;
    case DataType::BYTES:
      for (std::size_t at = 0; at + 4 <= tensor.data.size();) {
        std::uint32_t length = 0;
        std::memcpy(&length, tensor.data.data() + at, sizeof length);
        data.push_back(tensor.data.substr(at + 4, length));
        at += 4 + length;
      }
      break;
    case DataType::FP16:
    case DataType::BF16:
      throw HttpError(400, "output '" + tensor.name + "' is " + std::string(to_string(tensor.type)) +
                               ", which has no form in JSON; ask for binary data");
  }
  return data;
}

// The JSON part of the body; binary: the rest.
Json read_header(const Request& request, std::string_view& binary) {
  std::string_view text = request.body;
  if (const std::string_view length = request.header(kLengthHeader); !length.empty()) {
    std::size_t size = 0;
    const auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), size);
    if (error != std::errc() || end != length.data() + length.size() || size > text.size()) {
      refuse("Inference-Header-Content-Length is " + std::string(length) + ", the body has " +
             std::to_string(text.size()) + " bytes");
    }
    binary = text.substr(size);
    text = text.substr(0, size);
  }
  Json json = read_json(text);
  if (!json.is_object()) refuse("the request is no JSON object");
  return json;
}

bool flag(const Json& object, const char* name, bool otherwise) {
  const auto parameters = object.find("parameters");
  if (parameters == object.end() || !parameters->is_object()) return otherwise;
  const auto it = parameters->find(name);
  if (it == parameters->end()) return otherwise;
  if (!it->is_boolean()) refuse(std::string("the parameter ") + name + " is neither true nor false");
  return it->get<bool>();
}

}  // namespace

InferenceRequest parse_inference(const Request& request) {
  std::string_view binary;
  const Json json = read_header(request, binary);
  InferenceRequest parsed;
  if (const auto id = json.find("id"); id != json.end()) {
    if (!id->is_string()) refuse("\"id\" is no string");
    parsed.id = id->get<std::string>();
  }
  const Json& inputs = member(json, "inputs", "the request");
  if (!inputs.is_array() || inputs.empty()) refuse("\"inputs\" is no array with something in it");
  for (const Json& input : inputs) parsed.inputs.push_back(read_input(input, binary));
  if (!binary.empty()) refuse(std::to_string(binary.size()) + " bytes of binary data belong to no input");
  const bool all_binary = flag(json, "binary_data_output", false);
  if (const auto outputs = json.find("outputs"); outputs != json.end()) {
    if (!outputs->is_array()) refuse("\"outputs\" is no array");
    for (const Json& output : *outputs) {
      if (!output.is_object() || !output.contains("name") || !output["name"].is_string())
        refuse("an output has no \"name\"");
      if (output.contains("parameters") && output["parameters"].contains("classification")) {
        refuse("the classification extension is not supported");
      }
      parsed.outputs.push_back(output["name"].get<std::string>());
      parsed.binary_outputs.push_back(flag(output, "binary_data", all_binary));
    }
  }
  parsed.all_binary = all_binary;
  return parsed;
}

Response format_inference(const Request& request, const InferenceRequest& parsed, InferenceResponse&& response) {
  std::vector<std::pair<const Tensor*, bool>> chosen;
  if (parsed.outputs.empty()) {
    for (const Tensor& tensor : response.outputs) chosen.emplace_back(&tensor, parsed.all_binary);
  }
  for (std::size_t i = 0; i < parsed.outputs.size(); ++i) {
    const auto it = std::find_if(response.outputs.begin(), response.outputs.end(),
                                 [&](const Tensor& tensor) { return tensor.name == parsed.outputs[i]; });
    if (it == response.outputs.end()) refuse("the model has no output '" + parsed.outputs[i] + "'");
    chosen.emplace_back(&*it, parsed.binary_outputs[i]);
  }
  Json json{{"model_name", request.header("model-name")}, {"model_version", request.header("model-version")}};
  if (!parsed.id.empty()) json["id"] = parsed.id;
  Json& outputs = json["outputs"] = Json::array();
  std::string binary;
  for (const auto& [tensor, as_binary] : chosen) {
    Json output{{"name", tensor->name}, {"datatype", to_string(tensor->type)}, {"shape", tensor->shape}};
    if (as_binary) {
      output["parameters"]["binary_data_size"] = tensor->data.size();
      binary += tensor->data;
    } else {
      output["data"] = values_of(*tensor);
    }
    outputs.push_back(std::move(output));
  }
  Response made{.content_type = "application/json", .body = write_json(json, Json::error_handler_t::replace)};
  const bool any_binary = std::any_of(chosen.begin(), chosen.end(), [](const auto& each) { return each.second; });
  if (any_binary) {
    made.content_type = "application/octet-stream";
    made.headers.emplace_back("Inference-Header-Content-Length", std::to_string(made.body.size()));
    made.body += binary;
  }
  return made;
}

}  // namespace manta::serve::detail
