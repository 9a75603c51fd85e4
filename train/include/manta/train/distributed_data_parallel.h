// Data-parallel training: each rank computes the gradients of its part of the batch; all ranks apply the mean.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include <manta/process_group.h>
#include <manta/train/comm_hooks.h>
#include <manta/train/detail/gradient_averaging.h>

namespace manta::train {

/// The arguments of PyTorch's DistributedDataParallel, with its defaults.
struct DdpOptions {
  std::int64_t bucket_bytes = 25 * 1024 * 1024;   ///< gradients are averaged in buckets of about this size
  std::int64_t first_bucket_bytes = 1024 * 1024;  ///< the first bucket is small, so that communication starts early
  /// Set it if a step may leave out parameters, possibly different ones in each step and on each rank. A parameter that
  /// no rank used keeps its gradient (within join() some get a gradient of 0: see there).
  bool find_unused_parameters = false;
  /// Sends rank 0's buffers (running means and the like) to all ranks before a forward, unless the previous forward was
  /// under no_sync() or without gradients. False: each rank keeps its own, and Context::report saves every rank's.
  bool broadcast_buffers = true;
  /// Every step's graph equals the first's: it leaves out the same parameters and uses each as often. Allows parameters
  /// that are used several times in a step together with left-out ones.
  bool static_graph = false;
  CommHook comm_hook;  ///< empty: average
  /// For debugging: every check_every averaged steps all ranks compare a hash of each parameter and buffer. If one
  /// differs, they throw Error(invalid_argument), which names it and the ranks. 0: MANTA_DDP_CHECK_EVERY; if unset,
  /// never.
  std::int64_t check_every = 0;
};

/// How DistributedDataParallel::join treats ranks with fewer steps than others.
struct JoinOptions {
  bool divide_by_initial_world_size = true;  ///< false: by the number of ranks that still have inputs
  bool throw_on_early_termination = false;   ///< the first rank without inputs ends all loops: Error(cancelled)
};

/// While it exists, backward() only accumulates this rank's gradients. The first backward() whose forward comes after
/// it averages the accumulated gradients. For batches larger than the memory.
///
/// **Ownership**: movable; a moved-from or default-constructed one does nothing. **Threading**: the model's thread.
///
///     manta::train::NoSync guard;
///     if (step % 4 != 3) guard = model.no_sync();
///     loss(model(batch)).backward();
class NoSync {
 public:
  NoSync() = default;
  explicit NoSync(std::shared_ptr<detail::GradientAveraging> averaging)
      : averaging_(std::move(averaging)), before_(averaging_->set_enabled(false)) {}
  NoSync(NoSync&& other) noexcept : averaging_(std::move(other.averaging_)), before_(other.before_) {}
  NoSync& operator=(NoSync&& other) noexcept {
    if (this == &other) return *this;
    end();
    averaging_ = std::move(other.averaging_);
    before_ = other.before_;
    return *this;
  }
  ~NoSync() { end(); }

 private:
  void end() {
    if (const auto averaging = std::exchange(averaging_, nullptr)) averaging->set_enabled(before_);
  }

  std::shared_ptr<detail::GradientAveraging> averaging_;
  bool before_ = true;
};

/// A network whose gradients are, after backward(), the mean over all ranks of the group. If all parts of the batch are
/// equally large, the result equals one process' on the whole batch. The engine is PyTorch's own (c10d::Reducer; Li et
/// al., "PyTorch Distributed", VLDB 2020), used as its Python class uses it: the first buckets of gradients are
/// averaged while the backward pass computes the others.
///
/// Net: a module holder (TORCH_MODULE), a torch::nn::Sequential, or a std::shared_ptr to a module. The network is
/// shared, not copied: give its own parameters() to the optimizer. The constructor copies rank 0's parameters and
/// buffers to all ranks. All ranks construct it and call forward and backward in the same order, also forward without
/// gradients, which may send buffers. For a forward on a single rank call module()->forward.
///
/// forward() returns what the network's forward returns, of any type. find_unused_parameters and static_graph need the
/// tensors in it: they may be in standard containers, optionals, variants, plain structures and classes with
/// serialize().
///
/// **Threading**: one thread. **Ownership**: shares the network and the group; movable. **Errors**: throws Error:
/// invalid_argument if ranks have different networks, no parameter requires a gradient, an output's type hides tensors
/// that are needed, or the previous step left out a parameter without find_unused_parameters. forward and backward also
/// throw the errors of ProcessGroupManta.
///
///     manta::train::DistributedDataParallel model(network, context.process_group());
///     torch::optim::SGD optimizer(network->parameters(), 0.1);
///     torch::cross_entropy_loss(model(images), labels).backward();   // gradients are the mean over the ranks
///     optimizer.step();
template <class Net>
class DistributedDataParallel {
 public:
  DistributedDataParallel(Net network, c10::intrusive_ptr<c10d::ProcessGroup> group, const DdpOptions& options = {})
      : network_(std::move(network)),
        averaging_(std::make_shared<detail::GradientAveraging>(*network_, std::move(group), options)) {}

  /// The network's forward. Blocks while buffers are sent.
  template <class... As>
  auto forward(As&&... arguments) {
    averaging_->before_forward();
    using Output = std::decay_t<decltype(network_->forward(std::forward<As>(arguments)...))>;
    if constexpr (std::is_void_v<Output>) {
      network_->forward(std::forward<As>(arguments)...);
      averaging_->after_forward([](const detail::VisitTensor&) { return false; });
    } else {
      Output output = network_->forward(std::forward<As>(arguments)...);
      averaging_->after_forward(
          [&output](const detail::VisitTensor& visit) { return detail::visit_tensors(output, visit); });
      return output;
    }
  }
  template <class... As>
  auto operator()(As&&... arguments) {
    return forward(std::forward<As>(arguments)...);
  }

  /// The network itself.
  Net& module() { return network_; }

  /// See NoSync. It must cover both forward and backward.
  [[nodiscard]] NoSync no_sync() { return NoSync(averaging_); }

  /// Runs a loop that has more steps on some ranks than on others (PyTorch's Join). All ranks call it. A rank whose
  /// loop has returned takes part in the others' collectives, with gradients of 0, until all loops have returned; then
  /// all ranks get the parameters and buffers of the rank that ended last. The loop may call forward and backward of
  /// this model, and no other collective operation.
  ///
  /// With find_unused_parameters, a rank without inputs continues to report the parameters that it used in its last
  /// step and those that any rank has used since, as PyTorch does. Such a parameter has a gradient of 0 in a step in
  /// which no rank uses it. With static_graph, a rank that has no input in the very first step must not have inputs in
  /// later joins either.
  ///
  /// Blocks until all ranks' loops have returned. **Errors**: throws what the loop throws; Error(cancelled) with
  /// JoinOptions::throw_on_early_termination; Error(unavailable), which names the rank, if another rank has died or
  /// left its loop by an exception.
  ///
  ///     model.join([&] { while (auto batch = next()) step(*batch); });
  template <class Loop>
  void join(Loop&& loop, const JoinOptions& options = {}) {
    averaging_->join(std::function<void()>(std::ref(loop)), options);
  }

 private:
  Net network_;
  std::shared_ptr<detail::GradientAveraging> averaging_;
};

}  // namespace manta::train
