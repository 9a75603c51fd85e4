#include <manta/rl/detail/step_threads.h>

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace manta::rl::detail {

struct StepThreads::Shared {
  std::mutex mutex;
  std::condition_variable begin, done;
  std::uint64_t round = 0;  // of run(); threads wait for the next
  bool stopping = false;
  std::size_t busy = 0;  // of our own threads, in this round
  std::size_t count = 0;
  const Work* work = nullptr;
  std::exception_ptr failed;
  std::vector<std::thread> threads;

  std::size_t parts() const { return threads.size() + 1; }

  void work_on(std::size_t part, std::size_t all, std::size_t elements, const Work& function) {
    try {
      function(part, elements * part / all, elements * (part + 1) / all);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (failed == nullptr) failed = std::current_exception();
    }
  }

  void serve(std::size_t part, std::size_t all) {
    std::unique_lock lock(mutex);
    for (std::uint64_t seen = 0;;) {
      begin.wait(lock, [&] { return stopping || round != seen; });
      if (stopping) return;
      seen = round;
      const std::size_t elements = count;
      const Work& function = *work;
      lock.unlock();
      work_on(part, all, elements, function);
      lock.lock();
      if (--busy == 0) done.notify_one();
    }
  }
};

StepThreads::StepThreads(int threads) {
  if (threads <= 1) return;
  shared_ = std::make_unique<Shared>();
  const auto all = static_cast<std::size_t>(threads);
  for (std::size_t part = 1; part < all; ++part) {
    shared_->threads.emplace_back([shared = shared_.get(), part, all] { shared->serve(part, all); });
  }
}

StepThreads::~StepThreads() {
  if (shared_ == nullptr) return;
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->stopping = true;
  }
  shared_->begin.notify_all();
  for (std::thread& thread : shared_->threads) thread.join();
}

std::size_t StepThreads::size() const { return shared_ == nullptr ? 1 : shared_->parts(); }

void StepThreads::run(std::size_t count, const Work& work) {
  if (shared_ == nullptr) return work(0, 0, count);
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->count = count;
    shared_->work = &work;
    shared_->busy = shared_->threads.size();
    ++shared_->round;
  }
  shared_->begin.notify_all();
  shared_->work_on(0, shared_->parts(), count, work);
  std::unique_lock lock(shared_->mutex);
  shared_->done.wait(lock, [&] { return shared_->busy == 0; });
  if (const auto failed = std::exchange(shared_->failed, nullptr)) std::rethrow_exception(failed);
}

}  // namespace manta::rl::detail
