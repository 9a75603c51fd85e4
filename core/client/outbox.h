// What a process sends to its node: at once where the socket takes it, else by a thread of its own, in the same order.
// So no thread that holds the owner's mutex waits for the node, and the thread that reads messages never stops.
//
//   OUTBOX-1  send() never blocks; what makes more than it is asked for (results, items of a stream) calls
//             wait_for_space() first, without locks
//
// Threading: any thread. Ownership: the socket is the caller's and outlives it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <thread>
#include <vector>

#include <manta/error.h>

#include "core/base/mutex.h"
#include "core/net/send_queue.h"

namespace manta::client {

class Outbox {
 public:
  static constexpr std::size_t kFullBytes = 4 << 20;

  explicit Outbox(net::ControlSocket& socket) : socket_(socket), queue_(socket) {}
  ~Outbox();

  // unavailable: the node is gone. invalid_argument: the message is above the socket's limit.
  [[nodiscard]] Result<void> send(std::vector<std::byte> message);
  // Blocks while kFullBytes wait.
  void wait_for_space();
  // Blocks until all is sent, the node is gone, or the time is over.
  void flush(std::chrono::steady_clock::time_point deadline);
  // The node is gone: what waits is dropped, threads that wait go on. Blocks for a moment.
  void close();

 private:
  void run();

  net::ControlSocket& socket_;
  std::atomic<bool> full_{false};
  Mutex mutex_;
  net::SendQueue queue_ MANTA_GUARDED_BY(mutex_);
  net::SendQueue::Wait wait_ MANTA_GUARDED_BY(mutex_) = net::SendQueue::Wait::nothing;
  bool closed_ MANTA_GUARDED_BY(mutex_) = false;
  CondVar wake_;        // for the thread
  CondVar changed_;     // for threads that wait for space
  std::thread thread_;  // from when a message had to wait
};

}  // namespace manta::client
