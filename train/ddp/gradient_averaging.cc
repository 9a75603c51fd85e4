// Sets up and drives a c10d::Reducer as torch/nn/parallel/distributed.py does.
//
// DDP-1: all ranks start from rank 0's parameters and buffers; ranks whose parameters differ in shape are refused.
// DDP-2: every forward with gradients calls rebuild_buckets(), which throws if the previous step left its reduction
//        unfinished: no rank continues with gradients that were not averaged.
// DDP-3: every forward sends buffers, with gradients or without, unless the previous forward averaged nothing.
// DDP-4: gradients are copied out of the buckets, since torch::optim::Optimizer::zero_grad refuses views.
// DDP-5: in a join, a rank without inputs adds its own map of used parameters to the others', in place: the map of its
//        last step, plus the maps of all ranks since then. Python does so too. A parameter that is marked there has a
//        gradient of 0 on all ranks when no rank uses it.
#include <manta/train/detail/gradient_averaging.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <limits>
#include <optional>

#include <ATen/core/LegacyTypeDispatch.h>
#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/distributed/c10d/comm.hpp>
#include <torch/csrc/distributed/c10d/logger.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include <manta/detail/setting.h>
#include <manta/error.h>

#include "train/ddp/divergence.h"
#include "train/ddp/joining.h"
#include "train/ddp/network_tensors.h"
#include "train/ddp/output_sink.h"

namespace manta::train::detail {

namespace {

constexpr std::size_t kBroadcastBytes = 250 * 1024 * 1024;  // a broadcast joins tensors up to this size

using Group = c10::intrusive_ptr<c10d::ProcessGroup>;

class Hook : public c10d::CommHookInterface {
 public:
  using Run = std::function<c10::intrusive_ptr<c10::ivalue::Future>(c10d::GradBucket&)>;
  explicit Hook(Run run) : run_(std::move(run)) {}
  c10::intrusive_ptr<c10::ivalue::Future> runHook(c10d::GradBucket& bucket) override { return run_(bucket); }
  at::Tensor parseHookResult(const c10::IValue& result) override {
    return c10d::detail::parseCppCommHookResult(result);
  }

 private:
  Run run_;
};

void check(const DdpOptions& options) {
  if (options.bucket_bytes > 0 && options.first_bucket_bytes > 0 && options.check_every >= 0) return;
  throw Error(ErrorCode::invalid_argument, "DistributedDataParallel: DdpOptions has bucket_bytes " +
                                               std::to_string(options.bucket_bytes) + ", first_bucket_bytes " +
                                               std::to_string(options.first_bucket_bytes) + " and check_every " +
                                               std::to_string(options.check_every) +
                                               ". Next: give sizes above 0, and 0 or more steps between checks.");
}

std::int64_t check_every(const DdpOptions& options) {
  if (options.check_every > 0) return options.check_every;
  return manta::detail::whole_setting("MANTA_DDP_CHECK_EVERY").value_or(0);
}

// Which parameters share a bucket: in reverse order of registration, which is about the order of the backward pass. If
// a network uses all parameters, its first step has one bucket; then the reducer assigns buckets anew, in the order in
// which gradients arrived.
std::vector<std::vector<std::size_t>> assign_buckets(const TrainedParameters& parameters, const DdpOptions& options) {
  std::vector<std::size_t> limits{std::numeric_limits<int>::max()};
  if (options.find_unused_parameters && !options.static_graph) {
    limits = {static_cast<std::size_t>(options.first_bucket_bytes), static_cast<std::size_t>(options.bucket_bytes)};
  }
  auto buckets = std::get<0>(c10d::compute_bucket_assignment_by_size(parameters.tensors, limits, parameters.sparse));
  std::reverse(buckets.begin(), buckets.end());
  return buckets;
}

// Throws LibTorch's errors with their message alone.
template <class F>
void with_plain_errors(const F& call) {
  try {
    call();
  } catch (const c10::Error& error) {
    throw Error(ErrorCode::invalid_argument,
                std::string("DistributedDataParallel (DdpOptions has its options): ") + error.what_without_backtrace());
  }
}

}  // namespace

struct GradientAveraging::Impl : std::enable_shared_from_this<Impl> {
  Impl(torch::nn::Module& module, Group process_group, const DdpOptions& given)
      : network(module.shared_from_this()),
        group(std::move(process_group)),
        options(given),
        check_each(check_every(given)),
        parameters(trained_parameters(module)) {
    check(options);
    synchronise_networks();
    reducer = std::make_shared<c10d::Reducer>(
        parameters.tensors, assign_buckets(parameters, options), group, parameters.sparse, options.bucket_bytes,
        options.find_unused_parameters, /*gradient_as_bucket_view=*/false,  // DDP-4
        parameters.names, options.first_bucket_bytes, /*skip_all_reduce_unused_params=*/false,
        /*use_python_reducer=*/false, std::vector<std::int64_t>());
    logger = std::make_shared<c10d::Logger>(reducer);
    reducer->set_logger(logger);
    logger->set_construction_data_and_log(network->name(), {}, -1, options.broadcast_buffers, false,
                                          options.static_graph);
    reducer->register_comm_hook(std::make_unique<Hook>([this](c10d::GradBucket& bucket) { return run_hook(bucket); }));
    logger->set_comm_hook(options.comm_hook ? "given" : "average");
    if (options.static_graph) {
      reducer->set_static_graph();
      logger->set_static_graph();
    }
    // The reducer leaves the map uninitialised until its first backward pass; a rank without inputs has none.
    if (const at::Tensor used = used_parameters(); used.defined()) used.zero_();
  }

  ~Impl() {
    reducer->remove_autograd_hooks();
    if (std::uncaught_exceptions() > 0) return;
    try {
      reducer->check_finalized();
    } catch (const c10::Error& error) {
      std::fprintf(stderr, "manta: DistributedDataParallel: the last backward() was not averaged: %s\n",
                   error.what_without_backtrace());
    }
  }

  void synchronise_networks() {  // DDP-1
    try {
      c10d::verify_params_across_processes(group, parameters.tensors, std::nullopt);
    } catch (const c10::Error& error) {
      throw Error(ErrorCode::invalid_argument,
                  std::string("the ranks' networks differ: ") + error.what_without_backtrace());
    }
    send_network(0, true);
  }

  void send_network(int source, bool buffers) {
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> tensors;
    for (const at::Tensor& parameter : network->parameters()) tensors.push_back(parameter.detach());
    if (buffers) {
      for (const at::Tensor& buffer : network->buffers()) tensors.push_back(buffer.detach());
    }
    c10d::broadcast_coalesced(group, tensors, kBroadcastBytes, source);
  }

  // Keeps the buffers' versions: a later backward pass may have saved them.
  void send_buffers(int source) {
    const at::NoGradGuard no_grad;
    const at::AutoDispatchBelowADInplaceOrView same_version;
    c10d::broadcast_coalesced(group, network->buffers(), kBroadcastBytes, source);
  }
  bool sends_buffers() const { return buffers_due && options.broadcast_buffers && !network->buffers().empty(); }

  c10::intrusive_ptr<c10::ivalue::Future> run_hook(c10d::GradBucket& bucket) {
    if (options.comm_hook) return options.comm_hook(*group, bucket);
    if (joining && joining->factor() != 1) bucket.getBufferRef().mul_(joining->factor());
    return average(*group, bucket);
  }

  bool finds_outputs() const { return options.find_unused_parameters && !options.static_graph; }

  void begin_forward(bool gradients) {
    const bool averages = gradients && enabled;
    if (missed_first_step && gradients) {
      throw Error(
          ErrorCode::invalid_argument,
          "DistributedDataParallel: with DdpOptions::static_graph rank " + std::to_string(group->getRank()) +
              " had no inputs when the other ranks made their first step, in which the graph is recorded. Next: "
              "give each rank at least one input in the first join, or use find_unused_parameters instead.");
    }
    if (averages) {
      logger->set_runtime_stats_and_log();
      reducer->prepare_for_forward();
    }
    const bool sends = sends_buffers();
    int source = 0;
    if (joining) {
      std::int64_t parts = kForward;
      if (gradients) parts |= kRebuildsBuckets;
      if (sends) parts |= kSendsBuffers;
      if (averages) parts |= kAverages;
      const Round round = joining->exchange(parts);
      source = round.active.back();
    }
    if (gradients) reducer->rebuild_buckets();  // DDP-2
    if (sends) send_buffers(source);            // DDP-3
    if (!averages) return;
    if (check_each > 0 && !joining && steps > 0 && steps % check_each == 0) {
      require_same_on_all_ranks(*group, *network, sends, "after " + std::to_string(steps) + " steps");
    }
    ++steps;
  }

  std::vector<at::Tensor> tensors_in(const EachOutput& outputs) {
    std::vector<at::Tensor> tensors;
    if (outputs([&](at::Tensor& tensor) { tensors.push_back(tensor); })) return tensors;
    throw Error(ErrorCode::invalid_argument,
                "DistributedDataParallel: with find_unused_parameters or static_graph the "
                "tensors in what " +
                    network->name() +
                    "::forward returns must be found, and its type hides some. "
                    "Next: return tensors in containers or plain structures, or give the type serialize(Archive&).");
  }

  void end_forward(bool gradients, const EachOutput& outputs) {
    buffers_due = gradients && enabled;
    const bool sinks = finds_outputs() || (options.static_graph && !delay_enqueued);
    if (!sinks) {
      if (buffers_due) reducer->prepare_for_backward({});
      return;
    }
    const std::vector<at::Tensor> tensors = tensors_in(outputs);
    if (buffers_due) reducer->prepare_for_backward(finds_outputs() ? tensors : std::vector<at::Tensor>());
    std::vector<at::Tensor> graph;
    std::copy_if(tensors.begin(), tensors.end(), std::back_inserter(graph),
                 [](const at::Tensor& tensor) { return tensor.defined() && tensor.grad_fn() != nullptr; });
    if (graph.empty()) return;
    graph = pass_through_sink(graph, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->begin_backward();
    });
    auto next = graph.begin();
    (void)outputs([&](at::Tensor& tensor) {
      if (tensor.defined() && tensor.grad_fn() != nullptr) tensor = *next++;
    });
  }

  // The first step of a static graph counts how often each parameter is used; its gradients are averaged at its end.
  void begin_backward() {
    if (!options.static_graph || std::exchange(delay_enqueued, true)) return;
    torch::autograd::Engine::get_default_engine().queue_callback([reducer = reducer] { reducer->delay_all_reduce(); });
  }

  // What a rank without inputs does in a forward and backward of the others.
  void shadow(const Round& round) {
    if (round.has(kRebuildsBuckets)) reducer->rebuild_buckets();
    if (round.has(kSendsBuffers)) send_buffers(round.active.back());
    buffers_due = round.has(kAverages);
    if (!round.has(kAverages)) return;
    ++steps;
    // In the first step of a static graph the reducers send the map before the buckets, and do not reorder buckets yet.
    const bool first_of_static_graph = options.static_graph && !delay_enqueued && !missed_first_step;
    if (first_of_static_graph) sum_used_parameters();
    std::vector<c10::intrusive_ptr<c10::ivalue::Future>> futures;
    for (c10d::GradBucket& bucket : reducer->get_grad_buckets(true)) futures.push_back(reducer->run_comm_hook(bucket));
    for (const auto& future : futures) future->waitAndThrow();
    if (finds_outputs()) sum_used_parameters();
    if (first_of_static_graph) {
      missed_first_step = true;
    } else {
      reducer->push_rebuilt_params_for_all_indices();
    }
  }

  at::Tensor used_parameters() const { return reducer->get_local_used_map_on_device(); }
  void sum_used_parameters() {  // DDP-5
    std::vector<at::Tensor> used{used_parameters()};
    group->allreduce(used)->wait();
  }

  std::shared_ptr<torch::nn::Module> network;
  Group group;
  DdpOptions options;
  std::int64_t check_each;
  TrainedParameters parameters;
  std::shared_ptr<c10d::Reducer> reducer;
  std::shared_ptr<c10d::Logger> logger;
  std::optional<Joining> joining;
  std::int64_t steps = 0;  // that were averaged, also those on other ranks alone
  bool enabled = true;
  bool buffers_due = true;         // DDP-3
  bool delay_enqueued = false;     // a static graph's first backward pass has begun
  bool missed_first_step = false;  // of a static graph: this rank had no inputs
};

GradientAveraging::GradientAveraging(torch::nn::Module& network, Group group, const DdpOptions& options)
    : impl_(std::make_shared<Impl>(network, std::move(group), options)) {}
GradientAveraging::~GradientAveraging() = default;

void GradientAveraging::before_forward() {
  with_plain_errors([&] { impl_->begin_forward(at::GradMode::is_enabled()); });
}

void GradientAveraging::after_forward(const EachOutput& outputs) {
  with_plain_errors([&] { impl_->end_forward(at::GradMode::is_enabled(), outputs); });
}

bool GradientAveraging::set_enabled(bool enabled) { return std::exchange(impl_->enabled, enabled); }

void GradientAveraging::join(const std::function<void()>& loop, const JoinOptions& options) {
  if (impl_->joining) {
    throw Error(ErrorCode::invalid_argument,
                "DistributedDataParallel::join: the model is in a join. Next: end that first.");
  }
  struct Guard {
    std::optional<Joining>& joining;
    ~Guard() { joining.reset(); }
  } const guard{impl_->joining};
  impl_->joining.emplace(impl_->group, options);
  impl_->logger->set_uneven_input_join();
  loop();
  with_plain_errors([&] {
    for (Round round = impl_->joining->exchange(0); !round.active.empty(); round = impl_->joining->exchange(0)) {
      impl_->shadow(round);
    }
    impl_->send_network(impl_->joining->furthest_rank(), impl_->options.broadcast_buffers);
  });
}

}  // namespace manta::train::detail
