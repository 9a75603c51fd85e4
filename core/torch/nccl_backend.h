// The c10d backend for CUDA tensors.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <torch/csrc/distributed/c10d/Backend.hpp>

#include <manta/collective.h>

#include "core/base/mutex.h"

namespace manta::collective {

class NcclCommunicator;
struct NcclCalls;

// NCCL between the ranks of a group, one GPU each, of one host.
//
// The first operation connects: it blocks until all ranks have called it, and the tensor's device is the group's from
// then on. Tensors must be contiguous. Data moves for every type; it is reduced for uint8, int8, int32, int64, half,
// bfloat16, float, double and bool, by SUM, AVG (floating-point types), PRODUCT, MIN and MAX. Messages have no tags,
// and two ranks that both send before they receive may wait for each other.
//
// Operations run on a stream of the group, in the order they were called, after what the current stream had then.
// Work::wait() makes the current stream wait and returns at once; with a timeout, and for barrier, it blocks until the
// GPU is there. The future is complete from the start, as c10d's are for CUDA: reading its value waits on the stream.
//
// Errors (manta::Error), at once or from Work::wait(): invalid_argument for tensors and reductions that are not
// supported; unavailable, deadline or cancelled (abort) when the group is of no more use. What else the streams wait
// for goes on then, with tensors that hold anything.
//
// Threading: any thread. The destructor waits for what is under way.
class NcclBackend : public c10d::Backend {
 public:
  explicit NcclBackend(const Rendezvous& rendezvous);
  ~NcclBackend() override;

  const std::string getBackendName() const override { return "manta_nccl"; }
  void setTimeout(std::chrono::milliseconds timeout) override;
  void abort() override;
  // This rank calls nothing more; the others' collectives that it has not called fail. What is under way goes on.
  void shutdown() override;
  void setSequenceNumberForGroup() override {}
  uint64_t getSequenceNumberForGroup() override { return sequence_.load(); }

  using WorkPtr = c10::intrusive_ptr<c10d::Work>;
  using Tensors = std::vector<at::Tensor>;
  WorkPtr broadcast(Tensors& tensors, const c10d::BroadcastOptions& options = {}) override;
  WorkPtr allreduce(Tensors& tensors, const c10d::AllreduceOptions& options = {}) override;
  WorkPtr allreduce_coalesced(Tensors& tensors, const c10d::AllreduceCoalescedOptions& options = {}) override;
  WorkPtr reduce(Tensors& tensors, const c10d::ReduceOptions& options = {}) override;
  WorkPtr allgather(std::vector<Tensors>& outputs, Tensors& inputs,
                    const c10d::AllgatherOptions& options = {}) override;
  WorkPtr _allgather_base(at::Tensor& output, at::Tensor& input, const c10d::AllgatherOptions& options = {}) override;
  WorkPtr allgather_into_tensor_coalesced(Tensors& outputs, Tensors& inputs,
                                          const c10d::AllgatherOptions& options = {}) override;
  WorkPtr reduce_scatter(Tensors& outputs, std::vector<Tensors>& inputs,
                         const c10d::ReduceScatterOptions& options = {}) override;
  WorkPtr _reduce_scatter_base(at::Tensor& output, at::Tensor& input,
                               const c10d::ReduceScatterOptions& options = {}) override;
  WorkPtr reduce_scatter_tensor_coalesced(Tensors& outputs, Tensors& inputs,
                                          const c10d::ReduceScatterOptions& options = {}) override;
  WorkPtr alltoall_base(at::Tensor& output, at::Tensor& input, std::vector<int64_t>& output_splits,
                        std::vector<int64_t>& input_splits, const c10d::AllToAllOptions& options = {}) override;
  WorkPtr send(Tensors& tensors, int to, int tag) override;
  WorkPtr recv(Tensors& tensors, int from, int tag) override;
  WorkPtr barrier(const c10d::BarrierOptions& options = {}) override;

 private:
  struct Call {
    c10d::OpType type;
    const char* title;
    std::chrono::milliseconds timeout{0};  // not positive: the group's
  };
  using Body = std::function<void(const NcclCalls&)>;

  // used: every tensor whose memory the operation touches, its results among them.
  WorkPtr post(const Call& call, const Tensors& results, const Tensors& used, const Body& body);
  std::shared_ptr<NcclCommunicator> communicator_on(c10::Device device);
  std::shared_ptr<NcclCommunicator> communicator() const;

  Rendezvous rendezvous_;
  Mutex connecting_;     // held by the thread that makes the communicator, taken before mutex_
  mutable Mutex mutex_;  // never held during a wait for other ranks
  std::shared_ptr<NcclCommunicator> communicator_ MANTA_GUARDED_BY(mutex_);
  bool over_ MANTA_GUARDED_BY(mutex_) = false;
  std::atomic<int64_t> timeout_ms_;
  std::atomic<uint64_t> sequence_{0};
};

}  // namespace manta::collective
