// Data-parallel training: each rank computes the gradients of its part of the batch, and all apply their mean.
#pragma once

#include <cstdint>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <torch/nn/module.h>
#include <torch/types.h>

#include <manta/process_group.h>

namespace manta::train {

// As the arguments of PyTorch's DistributedDataParallel, with its defaults.
struct DdpOptions {
  std::int64_t bucket_bytes = 25 * 1024 * 1024;  // gradients are averaged in blocks of about so many bytes
  std::int64_t first_bucket_bytes = 1024 * 1024;  // the first is small, so that communication begins early
  bool find_unused_parameters = false;           // set it where a step may leave out some of the parameters
  bool broadcast_buffers = true;                 // rank 0's buffers (running means and such) go to all before each forward
};

namespace detail {

void append_tensors(std::vector<torch::Tensor>& tensors, const torch::Tensor& output);
template <class T>
void append_tensors(std::vector<torch::Tensor>& tensors, const std::vector<T>& outputs);
template <class... Ts>
void append_tensors(std::vector<torch::Tensor>& tensors, const std::tuple<Ts...>& outputs) {
  std::apply([&](const Ts&... each) { (append_tensors(tensors, each), ...); }, outputs);
}
template <class T>
void append_tensors(std::vector<torch::Tensor>& tensors, const std::vector<T>& outputs) {
  for (const T& output : outputs) append_tensors(tensors, output);
}

// What does not depend on the network's type: c10d::Reducer and its care.
class GradientAveraging {
 public:
  GradientAveraging(torch::nn::Module& network, c10::intrusive_ptr<c10d::ProcessGroup> group, const DdpOptions& options);
  GradientAveraging(GradientAveraging&&) noexcept;
  GradientAveraging& operator=(GradientAveraging&&) noexcept;
  ~GradientAveraging();

  void before_forward();
  void after_forward(const std::vector<torch::Tensor>& outputs);
  bool needs_outputs() const;
  bool set_enabled(bool enabled);  // returns what it was

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace detail

// A network whose gradients are, after backward(), the mean over all ranks of the group: the result is that of one
// process on the joined batch, if all parts are equally large. The engine is PyTorch's own (c10d::Reducer; Li et al.,
// "PyTorch Distributed", VLDB 2020): gradients lie in buckets, and the first buckets are averaged while the backward pass
// computes the others.
//
// Net: a module holder (TORCH_MODULE), a torch::nn::Sequential, or a std::shared_ptr to a module. It is shared, not
// copied: parameters() of the network itself are what an optimizer takes. The constructor gives all ranks the
// parameters and buffers of rank 0. All ranks construct it, and call forward and backward, in the same order.
//
// Threading: one thread, that of the training loop. Ownership: owns the network's handle and a reference to the group.
// Errors: manta::Error: invalid_argument where the ranks' networks differ; unavailable, out of backward(), where another
// rank has died.
//
//   Network network;
//   manta::train::DistributedDataParallel model(network, context.process_group());
//   torch::optim::SGD optimizer(network->parameters(), 0.1);
//   torch::cross_entropy_loss(model(images), labels).backward();   // gradients are the mean over the ranks
//   optimizer.step();
template <class Net>
class DistributedDataParallel {
 public:
  DistributedDataParallel(Net network, c10::intrusive_ptr<c10d::ProcessGroup> group, const DdpOptions& options = {})
      : network_(std::move(network)), averaging_(*network_, std::move(group), options) {}

  template <class... As>
  auto forward(As&&... arguments) {
    averaging_.before_forward();
    auto output = network_->forward(std::forward<As>(arguments)...);
    std::vector<torch::Tensor> outputs;
    if (averaging_.needs_outputs()) detail::append_tensors(outputs, output);
    averaging_.after_forward(outputs);
    return output;
  }
  template <class... As>
  auto operator()(As&&... arguments) {
    return forward(std::forward<As>(arguments)...);
  }

  Net& module() { return network_; }

  // While it exists, backward() only adds to the gradients of this rank; the first backward() after it averages what was
  // gathered. For batches that are larger than the memory.
  class NoSync {
   public:
    explicit NoSync(detail::GradientAveraging& averaging) : averaging_(averaging), before_(averaging.set_enabled(false)) {}
    ~NoSync() { averaging_.set_enabled(before_); }
    NoSync(const NoSync&) = delete;
    NoSync& operator=(const NoSync&) = delete;

   private:
    detail::GradientAveraging& averaging_;
    bool before_;
  };
  [[nodiscard]] NoSync no_sync() { return NoSync(averaging_); }

 private:
  Net network_;
  detail::GradientAveraging averaging_;
};

}  // namespace manta::train
