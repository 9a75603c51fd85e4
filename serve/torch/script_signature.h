// What a TorchScript model's forward takes and gives, and the tensors of requests and responses that stand for it.
//
//   SIGNATURE-1  a parameter x that is no tensor but a list, tuple or dictionary of tensors is made of inputs named x__0,
//                x__1 and so on, or x__KEY
//   SIGNATURE-2  what a request leaves out has forward's default; None where the parameter is optional
//   SIGNATURE-3  results are named by their keys, or by the fields of a named tuple; else output__0, output__1 and so on
//
// Threading: none; immutable once made.
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
  // Throws Error(invalid_argument) for parameters that no request can give.
  explicit ScriptSignature(const c10::FunctionSchema& schema);

  // The parameters by name, with what the schema says of them.
  std::vector<TensorInfo> inputs() const;
  // forward's arguments but for self. Throws HttpError(400).
  std::vector<c10::IValue> arguments(const NamedTensors& given, const at::Device& device) const;
  // Throws HttpError(500) where the model returns what is no tensor.
  static NamedTensors results(const c10::IValue& value);

 private:
  std::vector<c10::Argument> parameters_;
};

}  // namespace manta::serve
