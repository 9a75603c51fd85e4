// Code of one event loop says so: a call from another thread ends the process, in builds with assertions.
//
//   void Cluster::send(...) {
//     loop_thread_.assert_current();
//     ...
//   }
//   [[no_unique_address]] LoopThread loop_thread_;
#pragma once

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace manta {

// The loop's thread is the one of the first call: an object may be made in another thread.
class CheckedLoopThread {
 public:
  void assert_current(const char* function = __builtin_FUNCTION()) const {
    const std::thread::id here = std::this_thread::get_id();
    std::thread::id known;
    if (thread_.compare_exchange_strong(known, here) || known == here) return;
    std::fprintf(stderr, "manta: %s() belongs to an event loop, and runs in another thread than the loop's\n",
                 function);
    std::abort();
  }

 private:
  mutable std::atomic<std::thread::id> thread_{};  // none yet
};

class UncheckedLoopThread {
 public:
  void assert_current() const {}
};

#ifdef NDEBUG
using LoopThread = UncheckedLoopThread;
#else
using LoopThread = CheckedLoopThread;
#endif

}  // namespace manta
