// Data-parallel training: each rank computes the gradients of its part of the batch, and all apply their mean.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include <manta/process_group.h>
#include <manta/train/comm_hooks.h>
#include <manta/train/detail/gradient_averaging.h>

namespace manta::train {

/// As the arguments of PyTorch's DistributedDataParallel, with its defaults.
struct DdpOptions {
  std::int64_t bucket_bytes = 25 * 1024 * 1024;   // gradients are averaged in blocks of about so many bytes
  std::int64_t first_bucket_bytes = 1024 * 1024;  // the first is small, so that communication begins early
  // Set it where a step may leave out some of the parameters, other ones in each step and on each rank. Parameters that
  // no rank used keep their gradients as they are (in a join, some have a gradient of 0: see there).
  bool find_unused_parameters = false;
  // Rank 0's buffers (running means and such) go to all ranks before a forward, unless the forward before it was under
  // no_sync() or without gradients. False: each rank has its own, and Context::report saves those of each rank.
  bool broadcast_buffers = true;
  // The graph of each step is that of the first: the same parameters are left out each time, and each is used as often.
  // Allows parameters that are used several times in a step together with left-out ones.
  bool static_graph = false;
  CommHook comm_hook;  // empty: average
  // For finding errors: every so many averaged steps all ranks compare a hash of each parameter and buffer, and throw
  // Error(invalid_argument) that names the first that differs, and the ranks. 0: MANTA_DDP_CHECK_EVERY, else never.
  std::int64_t check_every = 0;
};

/// How ranks with fewer steps than others end, see DistributedDataParallel::join.
struct JoinOptions {
  bool divide_by_initial_world_size = true;  // false: the mean is over the ranks that still have inputs
  bool throw_on_early_termination = false;  // the first rank without inputs ends the loop of all, with Error(cancelled)
};

/// While it exists, backward() only adds to the gradients of this rank; the first backward() whose forward comes after
/// it averages what was gathered. For batches that are larger than the memory.
///
/// **Ownership**: movable; a moved-from or default-constructed one does nothing. **Threading**: that of the model.
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

/// A network whose gradients are, after backward(), the mean over all ranks of the group: the result is that of one
/// process on the joined batch, if all parts are equally large. The engine is PyTorch's own (c10d::Reducer; Li et al.,
/// "PyTorch Distributed", VLDB 2020), used as its Python class uses it: gradients lie in buckets, and the first buckets
/// are averaged while the backward pass computes the others.
///
/// Net: a module holder (TORCH_MODULE), a torch::nn::Sequential, or a std::shared_ptr to a module. It is shared, not
/// copied: parameters() of the network itself are what an optimizer takes. The constructor gives all ranks the
/// parameters and buffers of rank 0. All ranks construct it, and call forward and backward, in the same order: also
/// forward without gradients, which may send buffers. For a forward on one rank alone call module()->forward.
///
/// forward() returns what the network's does, of any type. With find_unused_parameters or static_graph the tensors in
/// it are found: in standard containers, maps, optionals, variants, plain structures and classes with serialize().
///
/// **Threading**: one thread. **Ownership**: shares the network and the group; movable. **Errors**: Error
/// invalid_argument where ranks have different networks, nothing requires a gradient, an output's type hides its tensors
/// where they are needed, or the step before left out a parameter that it should not; from forward and backward those of
/// ProcessGroupManta.
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

  Net& module() { return network_; }

  /// See NoSync. Forward and backward are both under it.
  [[nodiscard]] NoSync no_sync() { return NoSync(averaging_); }

  /// Runs a loop that has more steps on some ranks than on others (PyTorch's Join). All ranks call it. A rank whose loop
  /// has returned takes part in the collectives of the others, with gradients of 0, until all loops have returned; then
  /// all ranks have the parameters and buffers of the last one. The loop calls forward and backward of this model, and
  /// no other collective operation.
  ///
  /// With find_unused_parameters, a rank without inputs goes on to report the parameters that it used in its last step,
  /// and those that any rank has used since then, as PyTorch's does. A parameter that is reported so has a gradient of 0
  /// in a step in which no rank uses it. With static_graph, each rank needs an input in the first step of all, or has
  /// none in later joins either.
  ///
  /// Blocks. **Errors**: what the loop throws; cancelled for JoinOptions::throw_on_early_termination; unavailable, with
  /// the rank's name, where another rank has died or left its loop by an exception.
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
