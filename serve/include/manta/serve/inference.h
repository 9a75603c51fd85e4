// Tensors by name: requests and responses of the Open Inference Protocol, version 2 (KServe, Triton), without LibTorch.
// Values, which own their data; functions may be called from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace manta::serve {

enum class DataType : std::uint8_t {
  BOOL,
  UINT8,
  UINT16,
  UINT32,
  UINT64,
  INT8,
  INT16,
  INT32,
  INT64,
  FP16,
  BF16,
  FP32,
  FP64,
  BYTES
};

// "FP32" and so on; the other way round false for anything else.
std::string_view to_string(DataType type);
bool from_string(std::string_view text, DataType& type);
// Bytes of one element; 0: BYTES, whose elements each have a length of 4 bytes before them.
std::size_t size_bytes(DataType type);

struct Tensor {
  std::string name;
  DataType type = DataType::FP32;
  std::vector<std::int64_t> shape;
  std::string data;  // elements, the last dimension contiguous, little-endian

  std::int64_t elements() const;
};

// A Tensor of numbers: make_tensor("y", {2, 3}, values). Throws HttpError(500) if their number is not the shape's.
Tensor make_tensor(std::string name, std::vector<std::int64_t> shape, std::span<const float> values);
Tensor make_tensor(std::string name, std::vector<std::int64_t> shape, std::span<const std::int64_t> values);

struct InferenceRequest {
  std::string id;
  std::vector<Tensor> inputs;
  std::vector<std::string> outputs;  // wanted, by name; empty: all
  std::vector<bool> binary_outputs;  // for each of those: whether it travels as binary data
  bool all_binary = false;           // where none is named

  // Throws HttpError(400) if there is none of the name.
  const Tensor& input(std::string_view name) const;
};

struct InferenceResponse {
  std::vector<Tensor> outputs;
};

// What a model takes or gives; -1 in a shape: any size. Only what is declared is checked, and told to clients.
struct TensorInfo {
  std::string name;
  std::optional<DataType> type;     // none: any
  std::vector<std::int64_t> shape;  // empty: any
  bool optional = false;            // of an input: requests may leave it out
  bool in_parts = false;            // of an input: requests may give it as several, named NAME__0 or NAME__KEY
};

// What clients are told of a model: a callable on InferenceRequests may have a method `ModelInfo info() const`, which
// is asked once, when a replica is made. Both sides are held to it: check_inputs before the model sees a request,
// check_outputs after.
struct ModelInfo {
  std::string platform = "manta";
  std::vector<TensorInfo> inputs;
  std::vector<TensorInfo> outputs;
  // As Triton's max_batch_size. Above 0: dimension 0 of all inputs and outputs counts samples, none of which affects the
  // others' results, and so many at most may be computed together, of whichever requests. 0: each request by itself.
  std::int64_t max_batch_size = 0;
};

// Throws HttpError(400) that names the input where the request's are not those of the model. Nothing declared: nothing
// checked.
void check_inputs(const InferenceRequest& request, const ModelInfo& info);
// Throws HttpError(500) that names the output where the response's are not those of the model, or where an output's
// data are not what its type and shape say.
void check_outputs(const InferenceResponse& response, const ModelInfo& info);

}  // namespace manta::serve
