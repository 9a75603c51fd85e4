// Posts functions to the thread of a server's loop.
#pragma once

#include <atomic>
#include <functional>
#include <thread>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <manta/detail/mutex.h>

namespace manta::http {

// Runs functions in the loop's thread until the server ends. Threading: any. Ownership: shared by the server and its
// responders, which may outlive it; the loop is the server's.
class LoopThread {
 public:
  explicit LoopThread(boost::asio::io_context& io) : io_(&io) {}

  // The calling thread runs the loop from now on.
  void enter() { thread_.store(std::this_thread::get_id(), std::memory_order_relaxed); }
  bool is_here() const { return thread_.load(std::memory_order_relaxed) == std::this_thread::get_id(); }
  // Runs f in the loop's thread: at once, where that calls. False: the server has ended, and f does not run.
  bool run(std::function<void()> f) {
    if (is_here()) {
      f();
      return true;
    }
    const manta::detail::MutexLock lock(mutex_);
    if (io_ != nullptr) boost::asio::post(*io_, std::move(f));
    return io_ != nullptr;
  }
  // Later functions do not run; those posted before do.
  void end() {
    const manta::detail::MutexLock lock(mutex_);
    io_ = nullptr;
  }

 private:
  std::atomic<std::thread::id> thread_{};
  manta::detail::Mutex mutex_;
  boost::asio::io_context* io_ MANTA_GUARDED_BY(mutex_);  // null: the server has ended
};

}  // namespace manta::http
