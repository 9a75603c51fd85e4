// torch's distributed process groups on Manta's collective operations (collective.h). Link manta::torch.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include <manta/collective.h>

namespace manta::collective {

class OperationQueue;

/// A c10d backend for CPU tensors: shared memory between processes of one host.
///
/// Tensors need not be contiguous. Data moves for every type; it is reduced for uint8, int8 to int64, half, bfloat16,
/// float, double and bool, by SUM, AVG (floating-point types), PRODUCT, MIN, MAX, BAND, BOR and BXOR (integers and
/// bool). A list of tensors is reduced tensor by tensor. Sparse tensors (COO) are summed and averaged by allreduce:
/// each rank brings its own indices. Work::wait(timeout) goes by the group's timeout, or that of the operation's
/// options.
///
/// Operations are done in the order they were called, by the thread that waits for one, else by a thread of the group,
/// which is started by the first that is not waited for at once. Messages (send, recv) that were called one after the
/// other go on at the same time; collectives wait for the messages called before them.
///
/// **Errors**: those of Group, from Work::wait() and in its future; unsupported arguments throw manta::Error at once.
/// **Threading**: any thread. A group is made after its process was forked. The destructor cancels what is not done.
class ProcessGroupManta : public c10d::Backend {
 public:
  explicit ProcessGroupManta(std::unique_ptr<Group> group);
  ~ProcessGroupManta() override;

  const std::string getBackendName() const override { return "manta"; }
  void setTimeout(std::chrono::milliseconds timeout) override;
  void abort() override;
  void shutdown() override;
  void setSequenceNumberForGroup() override {}
  uint64_t getSequenceNumberForGroup() override;
  /// Runs all that was called in the calling thread.
  void finish();

  /// For ProcessGroup::splitGroup. All ranks call it, each with the ranks of its new group; a rank that is to be in
  /// none gives those of another. Blocks, as Group::split. Returns null for a rank that is not in its list. The timeout
  /// is the options', or, where that is not positive, this group's. Throws invalid_argument if the ranks in the list
  /// did not all give it. NCCL's backend has no split, so a group that has one cannot be split.
  c10::intrusive_ptr<Backend> split(const c10::intrusive_ptr<c10d::Store>& store, const std::vector<int>& ranks,
                                    const c10::intrusive_ptr<Options>& options) override;
  bool supportsSplitting() const override { return true; }
  c10::intrusive_ptr<Options> getBackendOptions() override;

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
  WorkPtr gather(std::vector<Tensors>& outputs, Tensors& inputs, const c10d::GatherOptions& options = {}) override;
  WorkPtr scatter(Tensors& outputs, std::vector<Tensors>& inputs, const c10d::ScatterOptions& options = {}) override;
  WorkPtr reduce_scatter(Tensors& outputs, std::vector<Tensors>& inputs,
                         const c10d::ReduceScatterOptions& options = {}) override;
  WorkPtr _reduce_scatter_base(at::Tensor& output, at::Tensor& input,
                               const c10d::ReduceScatterOptions& options = {}) override;
  WorkPtr reduce_scatter_tensor_coalesced(Tensors& outputs, Tensors& inputs,
                                          const c10d::ReduceScatterOptions& options = {}) override;
  WorkPtr alltoall_base(at::Tensor& output, at::Tensor& input, std::vector<int64_t>& output_splits,
                        std::vector<int64_t>& input_splits, const c10d::AllToAllOptions& options = {}) override;
  WorkPtr alltoall(Tensors& outputs, Tensors& inputs, const c10d::AllToAllOptions& options = {}) override;
  WorkPtr send(Tensors& tensors, int to, int tag) override;
  WorkPtr recv(Tensors& tensors, int from, int tag) override;
  WorkPtr barrier(const c10d::BarrierOptions& options = {}) override;

 private:
  struct Call;
  template <class Chosen>
  Call call(c10d::OpType type, const char* title, const Chosen& options);
  WorkPtr post(Call call, Tensors results, std::function<void(Group&)> body);
  WorkPtr message(Tensors& tensors, int peer, int tag, bool sends);

  std::shared_ptr<OperationQueue> queue_;
  std::atomic<uint64_t> sequence_{0};
};

/// A process group whose CPU backend is a ProcessGroupManta, and whose CUDA backend is NCCL's, where Manta and LibTorch
/// were built for it and this process sees a GPU. Blocks until all members have come, as Group::join; NCCL connects at
/// the first operation on CUDA tensors, so all members must call that, each with a GPU of its own.
///
///     auto group = manta::collective::make_process_group({.name = name, .rank = rank, .size = 2});
///     std::vector<at::Tensor> tensors{gradient};
///     group->allreduce(tensors)->wait();
c10::intrusive_ptr<c10d::ProcessGroup> make_process_group(const Rendezvous& rendezvous);
/// The same, for members that share a store and have no name: rank 0 puts one there.
c10::intrusive_ptr<c10d::ProcessGroup> make_process_group(const c10::intrusive_ptr<c10d::Store>& store, int rank,
                                                          int size, std::chrono::milliseconds timeout);

/// Runs what was called, in the calling thread, until nothing is left: for a thread that has nothing to calculate
/// meanwhile. Does nothing for process groups that are not Manta's.
void finish(c10d::ProcessGroup& group);

}  // namespace manta::collective
