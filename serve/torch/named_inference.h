// Computes several requests of a model together, if ModelInfo::max_batch_size allows it.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include <manta/error.h>
#include <manta/serve/batch.h>
#include <manta/serve/inference.h>

namespace manta::serve {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;
// Throws HttpError: below 500 if the request is at fault, else the model is.
using NamedForward = std::function<NamedTensors(const NamedTensors&)>;

// Checks inputs against info and passes them in the order of info.inputs, then undeclared ones in the request's order.
// Declared outputs have info's order, and its names if the model gives none.
std::vector<Result<InferenceResponse>> infer_named(const Batch<InferenceRequest>& batch, const ModelInfo& info,
                                                   const NamedForward& forward);

// Throws the HttpError for LibTorch's current exception; call it inside a catch. Status 400 if the model rejects its
// inputs (ValueError, TypeError, IndexError, KeyError), else 500; with the whole message, but without C++ frames.
[[noreturn]] void rethrow_as_http_error();

}  // namespace manta::serve
