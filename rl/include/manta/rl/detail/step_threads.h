// Threads that step parts of a batch together.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace manta::rl::detail {

// threads - 1 threads of its own, which sleep between calls; the caller's is one of them too. With one, nothing is
// started.
//
// Threading: one run() at a time. Errors: run() throws the first of what its parts threw, after all have ended.
class StepThreads {
 public:
  // work(part, from, to): elements from to to - 1; part is below threads.
  using Work = std::function<void(std::size_t part, std::size_t from, std::size_t to)>;

  explicit StepThreads(int threads);
  ~StepThreads();
  StepThreads(const StepThreads&) = delete;
  StepThreads& operator=(const StepThreads&) = delete;

  std::size_t size() const;
  void run(std::size_t count, const Work& work);

 private:
  struct Shared;
  std::unique_ptr<Shared> shared_;  // null with one thread
};

}  // namespace manta::rl::detail
