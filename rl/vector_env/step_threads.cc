#include <manta/rl/detail/step_threads.h>

#include <cstdint>
#include <exception>
#include <thread>
#include <utility>
#include <vector>

#include <manta/detail/mutex.h>

namespace manta::rl::detail {

struct StepThreads::Shared {
  manta::detail::Mutex mutex;
  manta::detail::CondVar begin, done;
  std::uint64_t round MANTA_GUARDED_BY(mutex) = 0;  // of run(); threads wait for the next
  bool stopping MANTA_GUARDED_BY(mutex) = false;
  std::size_t busy MANTA_GUARDED_BY(mutex) = 0;  // of our own threads, in this round
  std::size_t count MANTA_GUARDED_BY(mutex) = 0;
  const Work* work MANTA_GUARDED_BY(mutex) = nullptr;
  std::exception_ptr failed MANTA_GUARDED_BY(mutex);
  std::vector<std::thread> threads;

  std::size_t parts() const { return threads.size() + 1; }

  void work_on(std::size_t part, std::size_t all, std::size_t elements, const Work& function) {
    try {
      function(part, elements * part / all, elements * (part + 1) / all);
    } catch (...) {
      const manta::detail::MutexLock lock(mutex);
      if (failed == nullptr) failed = std::current_exception();
    }
  }

  void serve(std::size_t part, std::size_t all) {
    manta::detail::MutexLock lock(mutex);
    for (std::uint64_t seen = 0;;) {
      while (!stopping && round == seen) begin.wait(mutex);
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
    const manta::detail::MutexLock lock(shared_->mutex);
    shared_->stopping = true;
  }
  shared_->begin.notify_all();
  for (std::thread& thread : shared_->threads) thread.join();
}

std::size_t StepThreads::size() const { return shared_ == nullptr ? 1 : shared_->parts(); }

void StepThreads::run(std::size_t count, const Work& work) {
  if (shared_ == nullptr) return work(0, 0, count);
  {
    const manta::detail::MutexLock lock(shared_->mutex);
    shared_->count = count;
    shared_->work = &work;
    shared_->busy = shared_->threads.size();
    ++shared_->round;
  }
  shared_->begin.notify_all();
  shared_->work_on(0, shared_->parts(), count, work);
  const manta::detail::MutexLock lock(shared_->mutex);
  while (shared_->busy > 0) shared_->done.wait(shared_->mutex);
  if (const auto failed = std::exchange(shared_->failed, nullptr)) std::rethrow_exception(failed);
}

}  // namespace manta::rl::detail
