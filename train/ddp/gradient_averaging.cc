// The care of a c10d::Reducer, as torch/nn/parallel/distributed.py does it.
//
// DDP-1: all ranks start from rank 0's parameters and buffers; ranks whose parameters differ in shape are refused.
// DDP-2: a gradient is divided by the number of ranks once, by the reduction itself.
// DDP-3: the last bucket is reduced by the thread that filled it: nothing is left to overlap with, and a hand-over
//        between threads costs more than a small reduction.
// DDP-4: gradients are copied out of the buckets: torch::optim::Optimizer::zero_grad refuses those that are views.
#include <algorithm>

#include <torch/csrc/distributed/c10d/comm.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include <manta/error.h>
#include <manta/train/distributed_data_parallel.h>

namespace manta::train::detail {

namespace {

constexpr std::size_t kBroadcastBytes = 250 * 1024 * 1024;  // tensors of a broadcast are joined up to this

using Group = c10::intrusive_ptr<c10d::ProcessGroup>;

class AverageHook : public c10d::CppCommHookInterface<Group> {
 public:
  using CppCommHookInterface::CppCommHookInterface;

  c10::intrusive_ptr<c10::ivalue::Future> runHook(c10d::GradBucket& bucket) override {
    std::vector<at::Tensor> tensors{bucket.getBufferRef()};
    c10d::AllreduceOptions options;
    options.reduceOp = c10d::ReduceOp::AVG;  // DDP-2
    options.asyncOp = !bucket.isLast();      // DDP-3
    return state_->allreduce(tensors, options)->getFuture();
  }
};

std::vector<at::Tensor> trained_parameters(torch::nn::Module& network) {
  std::vector<at::Tensor> trained;
  for (const at::Tensor& parameter : network.parameters()) {
    if (parameter.requires_grad()) trained.push_back(parameter);
  }
  if (trained.empty()) {
    throw Error(ErrorCode::invalid_argument, "DistributedDataParallel: " + network.name() + " has no parameter that "
                "requires a gradient. Next: train it without DistributedDataParallel, or set requires_grad.");
  }
  return trained;
}

// Which parameters share a bucket: in the reverse of the order of registration, which is about that of the backward pass.
// After the first step the reducer sorts them anew, by the order in which gradients came.
std::vector<std::vector<std::size_t>> assign_buckets(const std::vector<at::Tensor>& parameters, const DdpOptions& options) {
  auto [buckets, limits] = c10d::compute_bucket_assignment_by_size(
      parameters, {static_cast<std::size_t>(options.first_bucket_bytes), static_cast<std::size_t>(options.bucket_bytes)},
      std::vector<bool>(parameters.size(), false));
  std::reverse(buckets.begin(), buckets.end());
  return buckets;
}

}  // namespace

struct GradientAveraging::Impl {
  Impl(torch::nn::Module& module, Group process_group, const DdpOptions& given)
      : network(module.shared_from_this()),
        group(std::move(process_group)),
        options(given),
        parameters(trained_parameters(module)) {
    synchronise_networks();
    reducer = std::make_unique<c10d::Reducer>(
        parameters, assign_buckets(parameters, options), group, std::vector<bool>(parameters.size(), false),
        options.bucket_bytes, options.find_unused_parameters, /*gradient_as_bucket_view=*/false,  // DDP-4
        std::unordered_map<std::size_t, std::string>(), options.first_bucket_bytes,
        /*skip_all_reduce_unused_params=*/false, /*use_python_reducer=*/false, std::vector<std::int64_t>());
    reducer->register_comm_hook(std::make_unique<AverageHook>(group));
  }
  ~Impl() { reducer->remove_autograd_hooks(); }

  void synchronise_networks() {  // DDP-1
    try {
      c10d::verify_params_across_processes(group, parameters, std::nullopt);
    } catch (const c10::Error& error) {
      throw Error(ErrorCode::invalid_argument, std::string("the ranks' networks differ: ") + error.what_without_backtrace());
    }
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> tensors;
    for (const at::Tensor& parameter : network->parameters()) tensors.push_back(parameter.detach());
    for (const at::Tensor& buffer : network->buffers()) tensors.push_back(buffer.detach());
    c10d::broadcast_coalesced(group, tensors, kBroadcastBytes);
  }

  void broadcast_buffers() {
    const at::NoGradGuard no_grad;
    const std::vector<at::Tensor> buffers = network->buffers();
    if (!buffers.empty()) c10d::broadcast_coalesced(group, buffers, kBroadcastBytes);
  }

  std::shared_ptr<torch::nn::Module> network;
  Group group;
  DdpOptions options;
  std::vector<at::Tensor> parameters;
  std::unique_ptr<c10d::Reducer> reducer;
  bool enabled = true;
  bool buffers_current = true;  // no step was averaged since the buffers were broadcast
};

void append_tensors(std::vector<torch::Tensor>& tensors, const torch::Tensor& output) { tensors.push_back(output); }

GradientAveraging::GradientAveraging(torch::nn::Module& network, Group group, const DdpOptions& options)
    : impl_(std::make_unique<Impl>(network, std::move(group), options)) {}
GradientAveraging::GradientAveraging(GradientAveraging&&) noexcept = default;
GradientAveraging& GradientAveraging::operator=(GradientAveraging&&) noexcept = default;
GradientAveraging::~GradientAveraging() = default;

void GradientAveraging::before_forward() {
  if (!at::GradMode::is_enabled()) return;
  if (impl_->enabled) impl_->reducer->prepare_for_forward();
  if (impl_->reducer->should_rebuild_buckets()) impl_->reducer->rebuild_buckets();
  if (impl_->enabled && impl_->options.broadcast_buffers && !impl_->buffers_current) impl_->broadcast_buffers();
}

void GradientAveraging::after_forward(const std::vector<torch::Tensor>& outputs) {
  if (!at::GradMode::is_enabled()) return;
  impl_->buffers_current = !impl_->enabled;
  if (impl_->enabled) impl_->reducer->prepare_for_backward(outputs);
}

bool GradientAveraging::needs_outputs() const { return impl_->options.find_unused_parameters; }

bool GradientAveraging::set_enabled(bool enabled) { return std::exchange(impl_->enabled, enabled); }

}  // namespace manta::train::detail
