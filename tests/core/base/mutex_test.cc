#include "core/base/mutex.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace manta {
namespace {

using Clock = std::chrono::steady_clock;

// What one thread tells another.
struct Box {
  Mutex mutex;
  CondVar changed;
  int value MANTA_GUARDED_BY(mutex) = 0;

  void set(int to) {
    {
      const MutexLock lock(mutex);
      value = to;
    }
    changed.notify_all();
  }
};

TEST(Mutex, CountsOfTwoThreadsAreAllThere) {
  Box box;
  const auto count = [&] {
    for (int i = 0; i < 10'000; ++i) {
      const MutexLock lock(box.mutex);
      ++box.value;
    }
  };
  std::thread other(count);
  count();
  other.join();
  const MutexLock lock(box.mutex);
  EXPECT_EQ(box.value, 20'000);
}

TEST(CondVar, AWaitReturnsWhenAnotherThreadHasChangedTheValueAndHoldsTheMutex) {
  Box box;
  std::thread other([&] { box.set(1); });
  {
    const MutexLock lock(box.mutex);
    while (box.value != 1) box.changed.wait(box.mutex);
    box.value = 2;  // the mutex is held: `lock` releases it once
  }
  other.join();
  const MutexLock lock(box.mutex);
  EXPECT_EQ(box.value, 2);
}

TEST(CondVar, AWaitSaysThatItsTimeHasCome) {
  Box box;
  const MutexLock lock(box.mutex);
  const auto deadline = Clock::now() + std::chrono::milliseconds(5);
  while (box.changed.wait_until(box.mutex, deadline)) continue;
  EXPECT_GE(Clock::now(), deadline);
}

TEST(MutexLock, IsFreeBetweenUnlockAndLock) {
  Box box;
  MutexLock lock(box.mutex);
  lock.unlock();
  std::thread([&] { box.set(3); }).join();
  lock.lock();
  EXPECT_EQ(box.value, 3);
}

TEST(MutexLock, TakesNothingWhereNoOtherThreadCanReachTheData) {
  Box box;
  const MutexLock lock(box.mutex, false);
  box.value = 1;
  std::thread([&] { box.set(4); }).join();  // would wait for ever
  EXPECT_EQ(box.value, 4);
}

TEST(MutexUnlock, IsFreeWhileItLives) {
  Box box;
  const MutexLock lock(box.mutex);
  {
    const MutexUnlock unlocked(box.mutex);
    std::thread([&] { box.set(5); }).join();
  }
  EXPECT_EQ(box.value, 5);
}

}  // namespace
}  // namespace manta
