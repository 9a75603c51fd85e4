// The part of DistributedDataParallel that does not depend on the network's type. Internal.
#pragma once

#include <functional>
#include <memory>

#include <torch/nn/module.h>
#include <torch/types.h>

#include <manta/process_group.h>
#include <manta/train/detail/output_tensors.h>

namespace manta::train {
struct DdpOptions;
struct JoinOptions;
}  // namespace manta::train

namespace manta::train::detail {

/// Calls a function with each tensor of the forward's output. False: the output's type hides some.
using EachOutput = std::function<bool(const VisitTensor&)>;

/// Drives a c10d::Reducer as PyTorch's torch/nn/parallel/distributed.py does.
///
/// **Threading**: the thread that calls forward and backward. **Ownership**: shares the network and the group.
class GradientAveraging {
 public:
  GradientAveraging(torch::nn::Module& network, c10::intrusive_ptr<c10d::ProcessGroup> group,
                    const DdpOptions& options);
  ~GradientAveraging();
  GradientAveraging(const GradientAveraging&) = delete;
  GradientAveraging& operator=(const GradientAveraging&) = delete;

  void before_forward();
  void after_forward(const EachOutput& outputs);
  void join(const std::function<void()>& loop, const JoinOptions& options);
  bool set_enabled(bool enabled);  // returns the previous value

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace manta::train::detail
