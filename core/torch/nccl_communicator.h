// One rank's NCCL communicator, with the stream that it works on and what watches over it.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include <c10/core/Device.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>

#include <manta/collective.h>

#include "core/base/mutex.h"
#include "core/torch/nccl_library.h"
#include "core/torch/nccl_peers.h"

namespace manta::collective {

// What an operation calls NCCL with. While it runs, the communicator's stream is the current one.
struct NcclCalls {
  const NcclLibrary& nccl;
  ncclComm_t communicator;
  cudaStream_t stream;

  // Throws Error: invalid_argument where the call was wrong, else unavailable, with what NCCL says about it.
  void require(ncclResult_t result) const;
  // Calls of body start together, at its end: those that need each other to go on.
  void together(const std::function<void()>& body) const;
};

// NCCL-1: an operation begins after what the current stream had when it was launched; its event is recorded behind it.
// NCCL-2: the first failure is kept, ends what is under way on the GPU (ncclCommAbort), and is every later answer.
// NCCL-3: an operation that is not done `timeout` after its launch is a failure (deadline): threads and streams
//         that wait for its stream go on. A thread looks for that, and for NCCL's own errors, while something is
//         under way.
// NCCL-4: a collective that another rank has not begun when it leaves or dies is a failure (unavailable), which names
//         that rank. The same thread looks for it. Messages are left to NCCL-3.
//
// Threading: any thread; launches are in the order of their calls. Blocks where NCCL does: at the first operation with
// a peer, until that has come.
class NcclCommunicator {
 public:
  using Milliseconds = std::chrono::milliseconds;
  using EventPtr = std::shared_ptr<c10::Event>;
  using Body = std::function<void(const NcclCalls&)>;

  // Blocks until all ranks have come. Throws Error: those of NcclLibrary::get (in all ranks), Group::join and NCCL.
  NcclCommunicator(const Rendezvous& rendezvous, c10::Device device);
  // Waits for what is under way, then leaves.
  ~NcclCommunicator();

  c10::Device device() const { return device_; }
  c10::Stream stream() const { return stream_; }

  // Puts body's calls on the stream; the event that ends them. title lives for ever. collective: all ranks launch it.
  EventPtr launch(const char* title, bool collective, Milliseconds timeout, const Body& body);
  // Null, or why the communicator is of no more use.
  std::exception_ptr failure() const;
  // Makes the current stream wait. Throws the failure.
  void wait(const c10::Event& done);
  // Blocks the calling thread until then. Throws the failure, and deadline: the operation goes on.
  void wait_here(const c10::Event& done, const char* title, Milliseconds timeout);
  void abort(std::string_view reason);
  // This rank launches no more collectives: those that the others launch fail. What is under way goes on.
  void leave();

 private:
  struct Launched {
    EventPtr done;
    const char* title;
    std::uint64_t number;  // of a collective, as NcclPeers counts; 0: a message
    std::chrono::steady_clock::time_point deadline;
  };

  void connect(const Rendezvous& rendezvous);
  void watch();
  void look() MANTA_REQUIRES(mutex_);
  void fail(const Error& error) MANTA_REQUIRES(mutex_);

  const c10::Device device_;
  const int rank_;
  const Milliseconds timeout_;
  const NcclLibrary* nccl_ = nullptr;
  std::optional<NcclPeers> peers_;
  ncclComm_t communicator_ MANTA_GUARDED_BY(mutex_) = nullptr;  // null after a failure
  c10::Stream stream_;

  mutable Mutex mutex_;
  CondVar changed_;
  std::deque<Launched> launched_ MANTA_GUARDED_BY(mutex_);  // what is not known to be done
  std::exception_ptr failure_ MANTA_GUARDED_BY(mutex_);
  bool stopping_ MANTA_GUARDED_BY(mutex_) = false;
  std::thread watcher_;
};

}  // namespace manta::collective
