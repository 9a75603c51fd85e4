// A mutex, a lock and a condition variable whose use clang checks (-Wthread-safety): data says which mutex guards it,
// and a function says which mutex its caller holds. Under other compilers the annotations are empty.
//
//   Mutex mutex_;
//   std::deque<Task> tasks_ MANTA_GUARDED_BY(mutex_);
//   bool any() MANTA_REQUIRES(mutex_) { return !tasks_.empty(); }
//
// A lambda is a function of its own to the analysis, which does not see the locks of the function around it. So a
// wait is a loop (`while (!any()) changed_.wait(mutex_);`), and a lambda that reads guarded data has MANTA_REQUIRES
// after its parameters. Where a class is called with another's mutex held, through an interface, it says so with
// assert_held().
//
// Threading: any thread. All of it is inline: it costs what the standard library's costs.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define MANTA_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define MANTA_THREAD_ANNOTATION(x)
#endif
// Data: read and written with the mutex held; of a pointer, what it points to.
#define MANTA_GUARDED_BY(mutex) MANTA_THREAD_ANNOTATION(guarded_by(mutex))
#define MANTA_PT_GUARDED_BY(mutex) MANTA_THREAD_ANNOTATION(pt_guarded_by(mutex))
// Functions: the caller holds the mutex, or must not hold it; or the function takes or releases it.
#define MANTA_REQUIRES(...) MANTA_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define MANTA_EXCLUDES(...) MANTA_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define MANTA_ACQUIRE(...) MANTA_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define MANTA_RELEASE(...) MANTA_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
// The function returns a reference to this mutex.
#define MANTA_RETURNS_MUTEX(mutex) MANTA_THREAD_ANNOTATION(lock_returned(mutex))
// The function does what the analysis cannot follow; its comment says why that is right.
#define MANTA_NO_THREAD_SAFETY_ANALYSIS MANTA_THREAD_ANNOTATION(no_thread_safety_analysis)

namespace manta::detail {

class MANTA_THREAD_ANNOTATION(capability("mutex")) Mutex {
 public:
  constexpr Mutex() noexcept = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() MANTA_ACQUIRE() { mutex_.lock(); }
  void unlock() MANTA_RELEASE() { mutex_.unlock(); }
  // Tells the analysis that the caller holds the mutex, where it cannot see that: behind an interface, in a lambda.
  void assert_held() const MANTA_THREAD_ANNOTATION(assert_capability(this)) {}

 private:
  friend class CondVar;
  std::mutex mutex_;
};

// Holds the mutex while it lives, but between unlock() and lock().
class MANTA_THREAD_ANNOTATION(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) MANTA_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  // needed: false where no other thread can reach what the mutex guards; then the mutex is not taken.
  MutexLock(Mutex& mutex, bool needed) MANTA_ACQUIRE(mutex) : mutex_(mutex), held_(needed) {
    if (held_) mutex_.lock();
  }
  ~MutexLock() MANTA_RELEASE() {
    if (held_) mutex_.unlock();
  }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  void unlock() MANTA_RELEASE() MANTA_NO_THREAD_SAFETY_ANALYSIS {  // mutex_ is the constructor's mutex
    mutex_.unlock();
    held_ = false;
  }
  void lock() MANTA_ACQUIRE() MANTA_NO_THREAD_SAFETY_ANALYSIS {
    mutex_.lock();
    held_ = true;
  }

 private:
  Mutex& mutex_;
  bool held_ = true;
};

// Releases a mutex that the function's caller holds, while it lives.
class MANTA_THREAD_ANNOTATION(scoped_lockable) MutexUnlock {
 public:
  explicit MutexUnlock(Mutex& mutex) MANTA_RELEASE(mutex) : mutex_(mutex) { mutex_.unlock(); }
  ~MutexUnlock() MANTA_RELEASE() { mutex_.lock(); }  // clang's word for the end of the scope
  MutexUnlock(const MutexUnlock&) = delete;
  MutexUnlock& operator=(const MutexUnlock&) = delete;

 private:
  Mutex& mutex_;
};

// The mutex is released while a thread waits, and held again when the wait returns, which it may do without a reason.
class CondVar {
 public:
  void wait(Mutex& mutex) MANTA_REQUIRES(mutex) {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    changed_.wait(lock);
    lock.release();
  }
  // False: the time has come.
  template <class Clock, class Duration>
  bool wait_until(Mutex& mutex, std::chrono::time_point<Clock, Duration> time) MANTA_REQUIRES(mutex) {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    const bool in_time = changed_.wait_until(lock, time) == std::cv_status::no_timeout;
    lock.release();
    return in_time;
  }
  void notify_one() noexcept { changed_.notify_one(); }
  void notify_all() noexcept { changed_.notify_all(); }

 private:
  std::condition_variable changed_;
};

}  // namespace manta::detail
