// Requests and responses of the Open Inference Protocol, version 2 (KServe, Triton), without LibTorch. All classes are
// values that own their data; any thread may call the functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace manta::serve {

/// The protocol's element types.
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

/// "FP32" and so on.
std::string_view to_string(DataType type);
/// False: no type has this name.
bool from_string(std::string_view text, DataType& type);
/// Bytes of one element. 0 for BYTES, whose elements each start with their length in 4 bytes.
std::size_t size_bytes(DataType type);

/// A named tensor.
struct Tensor {
  std::string name;
  DataType type = DataType::FP32;
  std::vector<std::int64_t> shape;
  std::string data;  ///< the elements, row-major, little-endian

  std::int64_t elements() const;
};

/// A tensor of numbers: make_tensor("y", {2, 3}, values). Throws HttpError(500) if their count does not match the
/// shape.
Tensor make_tensor(std::string name, std::vector<std::int64_t> shape, std::span<const float> values);
Tensor make_tensor(std::string name, std::vector<std::int64_t> shape, std::span<const std::int64_t> values);

/// A request for inference.
struct InferenceRequest {
  std::string id;
  std::vector<Tensor> inputs;
  std::vector<std::string> outputs;  ///< names of the requested outputs; empty: all
  std::vector<bool> binary_outputs;  ///< for each of those: whether to send it as binary data
  bool all_binary = false;           ///< likewise, if `outputs` is empty

  /// Throws HttpError(400) if there is no input of this name.
  const Tensor& input(std::string_view name) const;
};

/// The answer to an InferenceRequest.
struct InferenceResponse {
  std::vector<Tensor> outputs;
};

/// An input or output of a model. In a shape, -1 is any size. The server checks and publishes only what is declared.
struct TensorInfo {
  std::string name;
  std::optional<DataType> type;     ///< empty: any
  std::vector<std::int64_t> shape;  ///< empty: any
  bool optional = false;            ///< an input that requests may leave out
  bool in_parts = false;            ///< an input that requests may give in parts, NAME__0 or NAME__KEY
};

/// A model's metadata for clients. A callable on InferenceRequests may have a method `ModelInfo info() const`, which is
/// called once, when a replica is made. Requests and responses must match it: check_inputs runs before the model,
/// check_outputs after it.
struct ModelInfo {
  std::string platform = "manta";
  std::vector<TensorInfo> inputs;
  std::vector<TensorInfo> outputs;
  /// As Triton's max_batch_size. Above 0: dimension 0 of all inputs and outputs counts independent samples, and at most
  /// so many samples of any requests may be computed together. 0: each request is computed alone.
  std::int64_t max_batch_size = 0;
};

/// Throws HttpError(400), which names the input, if the request's inputs do not match the model's. Checks only what is
/// declared.
void check_inputs(const InferenceRequest& request, const ModelInfo& info);
/// Throws HttpError(500), which names the output, if the response's outputs do not match the model's, or an output's
/// data do not match its type and shape.
void check_outputs(const InferenceResponse& response, const ModelInfo& info);

}  // namespace manta::serve
