// Maps requests' tensors to the parameters of a TorchScript model's forward, and its result to responses' tensors.
//
//   SIGNATURE-1  a parameter x that is a list, tuple or dictionary of tensors is made of inputs named x__0, x__1 and so
//                on, or x__KEY
//   SIGNATURE-2  a missing input has forward's default; None if the parameter is optional
//   SIGNATURE-3  results are named after their keys or a named tuple's fields; else output__0, output__1 and so on
//
// Threading: any thread; immutable.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <torch/script.h>

#include <manta/serve/inference.h>

#include "serve/torch/named_inference.h"

namespace manta::serve {

class ScriptSignature {
 public:
  // Throws Error(invalid_argument) for parameters whose type no request can give.
  explicit ScriptSignature(const c10::FunctionSchema& schema);

  // The parameters' names, types and defaults, from the schema.
  std::vector<TensorInfo> inputs() const;
  // forward's arguments without self. Throws HttpError(400).
  std::vector<c10::IValue> arguments(const NamedTensors& given, const at::Device& device) const;
  // Throws HttpError(500) if the model returns a value that is no tensor.
  static NamedTensors results(const c10::IValue& value);

 private:
  std::vector<c10::Argument> parameters_;
};

}  // namespace manta::serve
