#include "core/net/doorbell.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <thread>
#include <vector>

namespace manta::net {
namespace {

using Clock = std::chrono::steady_clock;

// Long enough that only a lost wake-up reaches it.
Clock::time_point far_away() { return Clock::now() + std::chrono::seconds(30); }

TEST(Doorbell, Bell1RungBeforeSleepReturnsAtOnce) {
  Doorbell bell;
  const std::uint32_t seen = bell.rings;
  bell.ring(3);
  EXPECT_TRUE(bell.sleep(seen, far_away()));
  EXPECT_EQ(bell.take(), 1u << 3);
  EXPECT_TRUE(bell.sleep(seen, far_away())) << "another thread took the bits, but it was rung since";
  EXPECT_EQ(bell.sleepers, 0u);
}

TEST(Doorbell, Bell1BitsThatAreSetPreventSleep) {
  Doorbell bell;
  bell.ring(63);
  EXPECT_TRUE(bell.sleep(bell.rings, far_away()));
  EXPECT_EQ(bell.take(), std::uint64_t{1} << 63);
}

TEST(Doorbell, Bell1AWakeBeforeSleepReturnsAtOnce) {
  Doorbell bell;
  const std::uint32_t seen = bell.rings;
  bell.wake();
  EXPECT_TRUE(bell.sleep(seen, far_away()));
  EXPECT_EQ(bell.take(), 0u);
}

TEST(Doorbell, Bell1OneRingWakesAllSleepers) {
  Doorbell bell;
  std::vector<std::thread> sleepers;
  std::atomic<int> woken{0};
  for (int i = 0; i < 4; ++i) {
    sleepers.emplace_back([&] {
      const std::uint32_t seen = bell.rings;
      if (seen != 0 || bell.sleep(seen, far_away())) ++woken;
    });
  }
  while (bell.sleepers != 4) std::this_thread::yield();
  bell.ring(0);
  for (auto& sleeper : sleepers) sleeper.join();
  EXPECT_EQ(woken, 4);
}

TEST(Doorbell, SleepEndsAtItsDeadline) {
  Doorbell bell;
  const auto deadline = Clock::now() + std::chrono::milliseconds(5);
  EXPECT_FALSE(bell.sleep(0, deadline));
  EXPECT_GE(Clock::now(), deadline);
  EXPECT_FALSE(bell.sleep(0, Clock::now() - std::chrono::hours(1)));
  EXPECT_FALSE(bell.sleep(0, Clock::time_point{} - std::chrono::seconds(1)));
  EXPECT_EQ(bell.sleepers, 0u);
}

TEST(Doorbell, ADeadlineThatNeverComesIsNoError) {
  Doorbell bell;
  std::thread ringer([&] {
    while (bell.sleepers == 0) std::this_thread::yield();
    bell.wake();
  });
  EXPECT_TRUE(bell.sleep(0, Clock::time_point::max()));
  ringer.join();
}

TEST(Doorbell, Bell2ASignalEndsTheSleepAsARingWould) {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  struct sigaction before {};
  ASSERT_EQ(::sigaction(SIGUSR1, &action, &before), 0);
  Doorbell bell;
  std::atomic<bool> awake{false};
  std::thread sleeper([&] {
    EXPECT_TRUE(bell.sleep(0, far_away()));
    awake = true;
  });
  while (!awake) {  // a signal before the thread is in the kernel is lost, so until one is not
    if (bell.sleepers == 1) ::pthread_kill(sleeper.native_handle(), SIGUSR1);
    std::this_thread::yield();
  }
  sleeper.join();
  ::sigaction(SIGUSR1, &before, nullptr);
}

TEST(Doorbell, Bell2GroupsBeyondTheBitsWrapAround) {
  Doorbell bell;
  bell.ring(64 + 2);
  EXPECT_EQ(bell.take(), 1u << 2);
}

}  // namespace
}  // namespace manta::net
