#include "train/ddp/output_sink.h"

#include <utility>

#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

namespace manta::train::detail {

namespace {

struct OnBackward : torch::CustomClassHolder {
  explicit OnBackward(std::function<void()> given) : call(std::move(given)) {}
  std::function<void()> call;
};

struct Sink : torch::autograd::Function<Sink> {
  // A TensorList: apply() takes the elements of any other list for constants.
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context, at::TensorList inputs,
                                                const c10::intrusive_ptr<OnBackward>& on_backward) {
    context->set_materialize_grads(false);
    context->saved_data["on_backward"] = c10::IValue::make_capsule(on_backward);
    torch::autograd::variable_list outputs;
    for (const at::Tensor& input : inputs) outputs.push_back(input.clone());
    return outputs;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    c10::static_intrusive_pointer_cast<OnBackward>(context->saved_data["on_backward"].toCapsule())->call();
    gradients.emplace_back();  // for on_backward
    return gradients;
  }
};

}  // namespace

std::vector<at::Tensor> pass_through_sink(const std::vector<at::Tensor>& tensors, std::function<void()> on_backward) {
  return Sink::apply(at::TensorList(tensors), c10::make_intrusive<OnBackward>(std::move(on_backward)));
}

}  // namespace manta::train::detail
