#include "core/torch/nccl_backend.h"

#include <utility>

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/ivalue.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "core/gpu/devices.h"
#include "core/torch/cuda_backend.h"
#include "core/torch/nccl_communicator.h"
#include "core/torch/nccl_tensors.h"

namespace manta::collective {

namespace {

using Milliseconds = std::chrono::milliseconds;

c10::impl::VirtualGuardImpl cuda() { return c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA); }

// A launched operation, as c10d sees it.
class NcclWork : public c10d::Work {
 public:
  NcclWork(std::shared_ptr<NcclCommunicator> communicator, int rank, c10d::OpType type, const char* title,
           std::vector<at::Tensor> results, uint64_t sequence)
      : Work(rank, type, title, results),
        communicator_(std::move(communicator)),
        title_(title),
        results_(std::move(results)),
        sequence_(sequence),
        future_(c10::make_intrusive<c10::ivalue::Future>(c10::ListType::create(c10::TensorType::get()),
                                                         std::vector<c10::Device>{communicator_->device()})) {}

  void launched(NcclCommunicator::EventPtr done, Milliseconds timeout) {
    done_ = std::move(done);
    timeout_ = timeout;
    const c10::StreamGuard on_stream(communicator_->stream());  // the future's value is there when this stream is
    future_->markCompleted(c10::IValue(results_));
    if (recordFunctionEndCallback_) recordFunctionEndCallback_();
  }

  bool wait(Milliseconds timeout) override {
    if (opType_ == c10d::OpType::BARRIER || timeout.count() > 0) {
      communicator_->wait_here(*done_, title_, timeout.count() > 0 ? timeout : timeout_);
    }
    communicator_->wait(*done_);
    return true;
  }
  void synchronize() override { communicator_->wait(*done_); }
  bool isCompleted() override { return communicator_->failure() || done_->query(); }
  bool isSuccess() const override { return !communicator_->failure() && done_->query(); }
  std::exception_ptr exception() const override { return communicator_->failure(); }
  void abort() override { communicator_->abort("Work::abort()"); }
  std::vector<at::Tensor> result() override { return results_; }
  c10::intrusive_ptr<c10::ivalue::Future> getFuture() override { return future_; }
  uint64_t getSequencenumber() const override { return sequence_; }

 private:
  const std::shared_ptr<NcclCommunicator> communicator_;
  const char* const title_;
  const std::vector<at::Tensor> results_;
  const uint64_t sequence_;
  const c10::intrusive_ptr<c10::ivalue::Future> future_;
  NcclCommunicator::EventPtr done_;
  Milliseconds timeout_{0};
};

}  // namespace

NcclBackend::NcclBackend(const Rendezvous& rendezvous)
    : Backend(rendezvous.rank, rendezvous.size), rendezvous_(rendezvous), timeout_ms_(rendezvous.timeout.count()) {
  init();
}
NcclBackend::~NcclBackend() = default;

void NcclBackend::setTimeout(Milliseconds timeout) { timeout_ms_ = timeout.count(); }

void NcclBackend::abort() {
  if (const auto connected = communicator()) connected->abort("ProcessGroup::abort()");
}

void NcclBackend::shutdown() {
  const MutexLock lock(mutex_);
  over_ = true;
  if (communicator_) communicator_->leave();
}

std::shared_ptr<NcclCommunicator> NcclBackend::communicator() const {
  const MutexLock lock(mutex_);
  if (over_) throw Error(ErrorCode::cancelled, "process group: it was shut down");
  return communicator_;
}

std::shared_ptr<NcclCommunicator> NcclBackend::communicator_on(c10::Device device) {
  const MutexLock connecting(connecting_);
  auto connected = communicator();
  if (!connected) {
    Rendezvous rendezvous = rendezvous_;
    rendezvous.timeout = Milliseconds(timeout_ms_.load());
    connected = std::make_shared<NcclCommunicator>(rendezvous, device);
    const MutexLock lock(mutex_);
    communicator_ = connected;
  }
  if (connected->device() == device) return connected;
  throw Error(ErrorCode::invalid_argument, "process group: its GPU is " + connected->device().str() +
                                               ", that of its first operation, not " + device.str());
}

NcclBackend::WorkPtr NcclBackend::post(const Call& call, const Tensors& results, const Tensors& used,
                                       const Body& body) {
  const at::AutoDispatchBelowADInplaceOrView below_autograd;
  for (const auto& tensor : used) require_same_device(tensor, used[0], call.title);
  const auto connected = communicator_on(used[0].device());
  const Milliseconds timeout = call.timeout.count() > 0 ? call.timeout : Milliseconds(timeout_ms_.load());
  const bool collective = call.type != c10d::OpType::SEND && call.type != c10d::OpType::RECV;
  auto work = c10::make_intrusive<NcclWork>(connected, rank_, call.type, call.title, results, ++sequence_);
  auto done = connected->launch(call.title, collective, timeout, body);
  // Their memory is not given to others before the group's stream is through with it.
  for (const auto& tensor : used) cuda().recordDataPtrOnStream(tensor.storage().data_ptr(), connected->stream());
  work->launched(std::move(done), timeout);
  return work;
}

NcclBackend::WorkPtr NcclBackend::broadcast(Tensors& tensors, const c10d::BroadcastOptions& options) {
  require_tensors(tensors, "broadcast");
  const int root = static_cast<int>(options.rootRank);
  return post({c10d::OpType::BROADCAST, "nccl:broadcast", options.timeout}, tensors, tensors,
              [&](const NcclCalls& calls) {
                calls.together([&] {
                  for (const auto& tensor : tensors) {
                    calls.require(calls.nccl.broadcast(tensor.data_ptr(), tensor.data_ptr(), tensor.nbytes(), ncclInt8,
                                                       root, calls.communicator, calls.stream));
                  }
                });
              });
}

NcclBackend::WorkPtr NcclBackend::allreduce(Tensors& tensors, const c10d::AllreduceOptions& options) {
  require_tensors(tensors, "allreduce");
  std::vector<NcclReduction> reductions;
  for (const auto& tensor : tensors) reductions.push_back(nccl_reduction(tensor, options.reduceOp, "allreduce"));
  return post({c10d::OpType::ALLREDUCE, "nccl:all_reduce", options.timeout}, tensors, tensors,
              [&](const NcclCalls& calls) {
                calls.together([&] {
                  for (std::size_t i = 0; i < tensors.size(); ++i) {
                    void* data = tensors[i].data_ptr();
                    calls.require(calls.nccl.all_reduce(data, data, count_of(tensors[i]), reductions[i].type,
                                                        reductions[i].operation, calls.communicator, calls.stream));
                  }
                });
              });
}

NcclBackend::WorkPtr NcclBackend::allreduce_coalesced(Tensors& tensors,
                                                      const c10d::AllreduceCoalescedOptions& options) {
  return allreduce(tensors, options);
}

NcclBackend::WorkPtr NcclBackend::reduce(Tensors& tensors, const c10d::ReduceOptions& options) {
  const at::Tensor& tensor = only_tensor(tensors, "reduce");
  const NcclReduction reduction = nccl_reduction(tensor, options.reduceOp, "reduce");
  const int root = static_cast<int>(options.rootRank);
  return post({c10d::OpType::REDUCE, "nccl:reduce", options.timeout}, tensors, tensors, [&](const NcclCalls& calls) {
    calls.require(calls.nccl.reduce(tensor.data_ptr(), tensor.data_ptr(), count_of(tensor), reduction.type,
                                    reduction.operation, root, calls.communicator, calls.stream));
  });
}

NcclBackend::WorkPtr NcclBackend::send(Tensors& tensors, int to, int) {
  const at::Tensor& tensor = only_tensor(tensors, "send");
  return post({c10d::OpType::SEND, "nccl:send"}, tensors, tensors, [&](const NcclCalls& calls) {
    calls.require(calls.nccl.send(tensor.data_ptr(), tensor.nbytes(), ncclInt8, to, calls.communicator, calls.stream));
  });
}

NcclBackend::WorkPtr NcclBackend::recv(Tensors& tensors, int from, int) {
  const at::Tensor& tensor = only_tensor(tensors, "recv");
  return post({c10d::OpType::RECV, "nccl:receive"}, tensors, tensors, [&](const NcclCalls& calls) {
    calls.require(
        calls.nccl.recv(tensor.data_ptr(), tensor.nbytes(), ncclInt8, from, calls.communicator, calls.stream));
  });
}

NcclBackend::WorkPtr NcclBackend::barrier(const c10d::BarrierOptions& options) {
  c10::Device device = cuda().getDevice();
  if (const auto connected = communicator()) {
    device = connected->device();
  } else if (options.device && options.device->is_cuda() && options.device->has_index()) {
    device = *options.device;
  } else if (!options.device_ids.empty()) {
    device = c10::Device(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(options.device_ids[0]));
  }
  const Tensors token{at::empty({1}, at::TensorOptions().device(device).dtype(at::kByte))};
  return post({c10d::OpType::BARRIER, "nccl:barrier", options.timeout}, {}, token, [&](const NcclCalls& calls) {
    void* data = token[0].data_ptr();
    calls.require(calls.nccl.all_reduce(data, data, 1, ncclUint8, ncclMax, calls.communicator, calls.stream));
  });
}

c10::intrusive_ptr<c10d::Backend> make_cuda_backend(const Rendezvous& rendezvous) {
  // Devices are counted without CUDA, which takes a while to start and does not survive a fork.
  if (!c10::impl::hasDeviceGuardImpl(c10::DeviceType::CUDA) || gpu::visible_devices().empty()) return {};
  return c10::make_intrusive<NcclBackend>(rendezvous);
}

}  // namespace manta::collective
