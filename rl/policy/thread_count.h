// How many threads LibTorch uses.
#pragma once

#include <torch/torch.h>

namespace manta::rl::detail {

// LibTorch's threads for as long as it lives, then as many as before.
class ThreadCount {
 public:
  explicit ThreadCount(int threads) : before_(at::get_num_threads()) { set(threads); }
  ~ThreadCount() { set(before_); }
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;

 private:
  static void set(int threads) {
    if (at::get_num_threads() != threads) at::set_num_threads(threads);
  }
  int before_;
};

}  // namespace manta::rl::detail
