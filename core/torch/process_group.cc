#include <manta/process_group.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <manta/ids.h>

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/ivalue.h>
#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include "core/collective/reduce.h"
#include "core/torch/cuda_backend.h"
#include "core/torch/operation_queue.h"
#include "core/torch/process_group_call.h"
#include "core/torch/sparse_reduce.h"
#include "core/torch/tensor_bytes.h"

namespace manta::collective {

namespace {

constexpr const char* kStoreKey = "manta/group";

// QUEUE-1's operation, as c10d sees it.
class QueuedWork : public c10d::Work {
 public:
  QueuedWork(std::shared_ptr<OperationQueue> queue, int rank, c10d::OpType type, const char* title,
             std::vector<at::Tensor> results, uint64_t sequence)
      : Work(rank, type, title, results),
        queue_(std::move(queue)),
        results_(std::move(results)),
        future_(c10::make_intrusive<c10::ivalue::Future>(c10::ListType::create(c10::TensorType::get()))),
        sequence_(sequence) {}

  bool wait(std::chrono::milliseconds) override {
    queue_->wait(operation_);
    std::exception_ptr error;
    {
      const std::lock_guard lock(mutex_);  // c10d::Work's
      error = exception_;
    }
    if (error) std::rethrow_exception(error);
    return true;
  }
  void abort() override { queue_->abort("Work::abort()"); }
  std::vector<at::Tensor> result() override { return results_; }
  c10::intrusive_ptr<c10::ivalue::Future> getFuture() override { return future_; }
  uint64_t getSequencenumber() const override { return sequence_; }
  int sourceRank() const override { return source_; }

  // Holds the work until it is done.
  OperationQueue::Pending operation_for(std::function<void(Group&)> body, std::optional<Transfer> transfer) {
    auto operation = std::make_shared<QueuedOperation>();
    operation->body = std::move(body);
    operation->transfer = transfer;
    auto self = c10::intrusive_ptr<QueuedWork>::unsafe_reclaim_from_nonowning(this);
    operation->completed = [self = std::move(self)](std::exception_ptr error) mutable {
      std::exchange(self, {})->complete(std::move(error));  // the operation and its work hold each other until now
    };
    operation_ = operation;
    return operation;
  }
  void set_after(std::function<void()> after) { after_ = std::move(after); }
  void set_source(int source) { source_ = source; }

 private:
  void complete(std::exception_ptr error) {
    const at::AutoDispatchBelowADInplaceOrView below_autograd;
    try {
      if (!error && after_) after_();
    } catch (...) {
      error = std::current_exception();
    }
    after_ = nullptr;
    if (error) {
      future_->setErrorIfNeeded(error);
    } else {
      future_->markCompleted(c10::IValue(results_));
    }
    finish(error);
  }

  const std::shared_ptr<OperationQueue> queue_;
  const std::vector<at::Tensor> results_;
  const c10::intrusive_ptr<c10::ivalue::Future> future_;
  const uint64_t sequence_;
  OperationQueue::Pending operation_;
  std::function<void()> after_;  // a message's tensor, where it was received into a copy
  int source_ = -1;
};

ProcessGroupManta* manta_backend(c10d::ProcessGroup& group) {
  if (!group.hasBackends()) return nullptr;
  return dynamic_cast<ProcessGroupManta*>(group.getBackend(c10::DeviceType::CPU).get());
}

// Whether all members of the group have the same list, in the same order.
bool gave_the_same(Group& group, const std::vector<int>& list) {
  std::uint64_t mine = list.size();
  for (const int rank : list) mine = manta::detail::mix64(mine ^ static_cast<std::uint64_t>(rank));
  std::vector<std::uint64_t> all(static_cast<std::size_t>(group.size()));
  std::vector<std::span<std::byte>> parts;
  for (std::uint64_t& each : all) parts.push_back(std::as_writable_bytes(std::span(&each, 1)));
  group.all_gather(std::as_bytes(std::span(&mine, 1)), parts);
  return std::all_of(all.begin(), all.end(), [&](std::uint64_t each) { return each == mine; });
}

}  // namespace

ProcessGroupManta::ProcessGroupManta(std::unique_ptr<Group> group)
    : Backend(group->rank(), group->size()), queue_(std::make_shared<OperationQueue>(std::move(group))) {
  init();
}

ProcessGroupManta::~ProcessGroupManta() { queue_->stop(); }
void ProcessGroupManta::abort() { queue_->abort("ProcessGroup::abort()"); }
void ProcessGroupManta::shutdown() { queue_->stop(); }
void ProcessGroupManta::finish() { queue_->finish(); }
uint64_t ProcessGroupManta::getSequenceNumberForGroup() { return sequence_.load(); }

void ProcessGroupManta::setTimeout(std::chrono::milliseconds timeout) {
  const auto body = [timeout](Group& group) { group.set_timeout(timeout); };
  post({c10d::OpType::UNKNOWN, "manta:set_timeout", {}, false}, {}, body)->wait();
}

c10::intrusive_ptr<c10d::Backend::Options> ProcessGroupManta::getBackendOptions() {
  return c10::make_intrusive<Options>(getBackendName(), std::chrono::milliseconds(0));
}

c10::intrusive_ptr<c10d::Backend> ProcessGroupManta::split(const c10::intrusive_ptr<c10d::Store>&,
                                                           const std::vector<int>& ranks,
                                                           const c10::intrusive_ptr<Options>& options) {
  const auto self = std::find(ranks.begin(), ranks.end(), rank_);
  const int color = self == ranks.end() ? -1 : *std::min_element(ranks.begin(), ranks.end());
  const int key = static_cast<int>(self - ranks.begin());
  const auto timeout = options ? options->timeout : std::chrono::milliseconds(0);
  const auto made = std::make_shared<std::unique_ptr<Group>>();
  const auto same = std::make_shared<bool>(true);
  const auto body = [made, same, color, key, ranks](Group& group) {
    *made = group.split(color, key);
    if (*made) *same = gave_the_same(**made, ranks);
  };
  post({c10d::OpType::UNKNOWN, "manta:split", timeout, false}, {}, body)->wait();
  if (!*made) return {};
  if (!*same || static_cast<std::size_t>((*made)->size()) != ranks.size()) {
    throw Error(ErrorCode::invalid_argument,
                "process group, split: the ranks of the new group of rank " + std::to_string(rank_) + ", which gives " +
                    std::to_string(ranks.size()) + " ranks, did not all give the same list; " +
                    std::to_string((*made)->size()) +
                    " gave one with the same least rank. Next: give all of them the "
                    "same list.");
  }
  return c10::make_intrusive<ProcessGroupManta>(std::move(*made));
}

ProcessGroupManta::WorkPtr ProcessGroupManta::post(Call call, Tensors results, std::function<void(Group&)> body) {
  auto work = c10::make_intrusive<QueuedWork>(queue_, rank_, call.type, call.title, std::move(results), ++sequence_);
  auto guarded = [body = std::move(body), timeout = call.timeout](Group& group) {
    const at::AutoDispatchBelowADInplaceOrView below_autograd;
    if (timeout.count() <= 0) return body(group);
    const auto usual = group.timeout();
    group.set_timeout(timeout);
    try {
      body(group);
    } catch (...) {
      group.set_timeout(usual);
      throw;
    }
    group.set_timeout(usual);
  };
  auto operation = work->operation_for(std::move(guarded), {});
  queue_->post(operation, call.async);
  if (!call.async) queue_->wait(operation);  // its error comes from Work::wait()
  return work;
}

ProcessGroupManta::WorkPtr ProcessGroupManta::broadcast(Tensors& tensors, const c10d::BroadcastOptions& options) {
  for (const auto& tensor : tensors) require_dense_cpu(tensor, "broadcast");
  const int root = static_cast<int>(options.rootRank);
  return post(call(c10d::OpType::BROADCAST, "manta:broadcast", options), tensors, [tensors, root](Group& group) {
    for (const auto& tensor : tensors) {
      const Dense dense(tensor, group.rank() == root);
      group.broadcast(dense.bytes(), root);
      if (group.rank() != root) dense.done();
    }
  });
}

ProcessGroupManta::WorkPtr ProcessGroupManta::allreduce(Tensors& tensors, const c10d::AllreduceOptions& options) {
  const Reduction reduction = reduction_of(options.reduceOp, "allreduce");
  if (takes_sparse(tensors, reduction)) {
    const bool average = reduction == Reduction::average;
    return post(call(c10d::OpType::ALLREDUCE, "manta:all_reduce", options), tensors, [tensors, average](Group& group) {
      for (const auto& tensor : tensors) all_reduce_sparse(group, tensor, average);
    });
  }
  for (const auto& tensor : tensors) {
    require_dense_cpu(tensor, "allreduce");
    require_reducible(data_type_of(tensor, "allreduce"), reduction);
  }
  return post(call(c10d::OpType::ALLREDUCE, "manta:all_reduce", options), tensors, [tensors, reduction](Group& group) {
    for (const auto& tensor : tensors) {
      const Dense dense(tensor, true);
      group.all_reduce(dense.bytes().data(), dense.count(), data_type_of(tensor, "allreduce"), reduction);
      dense.done();
    }
  });
}

ProcessGroupManta::WorkPtr ProcessGroupManta::allreduce_coalesced(Tensors& tensors,
                                                                  const c10d::AllreduceCoalescedOptions& options) {
  return allreduce(tensors, options);
}

ProcessGroupManta::WorkPtr ProcessGroupManta::reduce(Tensors& tensors, const c10d::ReduceOptions& options) {
  const Reduction reduction = reduction_of(options.reduceOp, "reduce");
  const int root = static_cast<int>(options.rootRank);
  for (const auto& tensor : tensors) {
    require_dense_cpu(tensor, "reduce");
    require_reducible(data_type_of(tensor, "reduce"), reduction);
  }
  return post(call(c10d::OpType::REDUCE, "manta:reduce", options), tensors, [tensors, reduction, root](Group& group) {
    for (const auto& tensor : tensors) {
      const Dense dense(tensor, true);
      group.reduce(dense.bytes().data(), dense.count(), data_type_of(tensor, "reduce"), reduction, root);
      if (group.rank() == root) dense.done();
    }
  });
}

ProcessGroupManta::WorkPtr ProcessGroupManta::barrier(const c10d::BarrierOptions& options) {
  return post(call(c10d::OpType::BARRIER, "manta:barrier", options), {}, [](Group& group) { group.barrier(); });
}

ProcessGroupManta::WorkPtr ProcessGroupManta::message(Tensors& tensors, int peer, int tag, bool sends) {
  const char* name = sends ? "send" : "recv";
  if (tensors.size() != 1) {
    throw Error(ErrorCode::invalid_argument, std::string("process group, ") + name + ": one tensor is needed");
  }
  require_dense_cpu(tensors[0], name);
  const Dense dense(tensors[0], sends);
  Transfer transfer{.peer = peer, .tag = tag, .sends = sends};
  if (sends) {
    transfer.out = dense.bytes();
  } else {
    transfer.in = dense.bytes();
  }
  auto work = c10::make_intrusive<QueuedWork>(queue_, rank_, sends ? c10d::OpType::SEND : c10d::OpType::RECV,
                                              sends ? "manta:send" : "manta:receive", tensors, ++sequence_);
  if (!sends) work->set_source(peer);
  work->set_after([dense, sends] {  // keeps the memory until the message has gone through
    if (!sends) dense.done();
  });
  queue_->post(work->operation_for({}, transfer), true);
  return work;
}

ProcessGroupManta::WorkPtr ProcessGroupManta::send(Tensors& tensors, int to, int tag) {
  return message(tensors, to, tag, true);
}
ProcessGroupManta::WorkPtr ProcessGroupManta::recv(Tensors& tensors, int from, int tag) {
  return message(tensors, from, tag, false);
}

c10::intrusive_ptr<c10d::ProcessGroup> make_process_group(const Rendezvous& rendezvous) {
  auto backend = c10::make_intrusive<ProcessGroupManta>(Group::join(rendezvous));
  auto group =
      c10::make_intrusive<c10d::ProcessGroup>(c10::make_intrusive<c10d::HashStore>(), rendezvous.rank, rendezvous.size);
  group->setBackend(c10::DeviceType::CPU, c10d::ProcessGroup::BackendType::CUSTOM,
                    c10::static_intrusive_pointer_cast<c10d::Backend>(backend));
  group->setDefaultBackend(c10d::ProcessGroup::BackendType::CUSTOM);
  if (auto on_gpus = make_cuda_backend(rendezvous)) {
    group->setBackend(c10::DeviceType::CUDA, c10d::ProcessGroup::BackendType::NCCL, on_gpus);
  }
  return group;
}

c10::intrusive_ptr<c10d::ProcessGroup> make_process_group(const c10::intrusive_ptr<c10d::Store>& store, int rank,
                                                          int size, std::chrono::milliseconds timeout) {
  Rendezvous rendezvous{.rank = rank, .size = size, .timeout = timeout};
  if (rank == 0) {
    rendezvous.name = new_name();
    store->set(kStoreKey, std::vector<uint8_t>(rendezvous.name.begin(), rendezvous.name.end()));
  } else {
    store->wait({kStoreKey}, timeout);
    const std::vector<uint8_t> name = store->get(kStoreKey);
    rendezvous.name.assign(name.begin(), name.end());
  }
  return make_process_group(rendezvous);
}

void finish(c10d::ProcessGroup& group) {
  if (ProcessGroupManta* backend = manta_backend(group)) backend->finish();
}

}  // namespace manta::collective
