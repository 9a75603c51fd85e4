// Computing several requests of a model together, where it says that they can be (ModelInfo::max_batch_size).
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
// Throws HttpError for what the request (below 500) or the model is to blame for.
using NamedForward = std::function<NamedTensors(const NamedTensors&)>;

// Inputs are checked against info, and given in the order of info.inputs, others behind them in the request's. Outputs that
// info declares have its order, and its names where the model gives them none.
std::vector<Result<InferenceResponse>> infer_named(const Batch<InferenceRequest>& batch, const ModelInfo& info,
                                                   const NamedForward& forward);

// An exception of LibTorch as the response that it stands for; inside a catch. Status 400 where the model says that its
// inputs are wrong (ValueError, TypeError, IndexError, KeyError), else 500; with the whole message but for frames of C++.
[[noreturn]] void rethrow_as_http_error();

}  // namespace manta::serve
