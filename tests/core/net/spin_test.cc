#include "core/net/spin.h"

#include <gtest/gtest.h>

namespace manta::net {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr microseconds kShortest{50};

// Waits that find work after 25 us, one after the other for so long. Returns when the last one begins.
Spin::Clock::time_point work(Spin& spin, Spin::Clock::time_point now, microseconds length) {
  for (const auto end = now + length; now < end; now += microseconds(25)) {
    spin.begin(now, kShortest);
    EXPECT_FALSE(spin.over(microseconds(20)));
  }
  spin.begin(now, kShortest);
  return now;
}

Spin::Clock::time_point disturb(Spin& spin, Spin::Clock::time_point now) {
  spin.gave_way_often(now);
  now += microseconds(600);
  spin.gave_way_often(now);
  return now;
}

TEST(Spin, SleepsAfterTheShortestWait) {
  Spin spin(false);
  work(spin, Spin::Clock::now(), milliseconds(20));
  EXPECT_FALSE(spin.over(kShortest - microseconds(1)));
  EXPECT_TRUE(spin.over(kShortest));
}

TEST(Spin, ADisturbedPairPollsTwiceAsLongAsItWorked) {
  Spin spin(false);
  auto now = disturb(spin, Spin::Clock::now());
  now = work(spin, now, milliseconds(1));
  EXPECT_FALSE(spin.over(microseconds(1900)));
  EXPECT_TRUE(spin.over(microseconds(2100)));
  spin.begin(now + milliseconds(3), kShortest);  // that was in vain
  EXPECT_TRUE(spin.over(kShortest));

  now = work(spin, now + milliseconds(3), milliseconds(20));
  EXPECT_FALSE(spin.over(Spin::kLongest - microseconds(1)));
  EXPECT_TRUE(spin.over(Spin::kLongest));
}

TEST(Spin, APairThatNowAndThenSharesACpuIsNotDisturbed) {
  Spin spin(false);
  auto now = Spin::Clock::now();
  for (int i = 0; i < 10; ++i) spin.gave_way_often(now += milliseconds(2));
  work(spin, now, milliseconds(5));
  EXPECT_TRUE(spin.over(kShortest));
}

TEST(Spin, TheDisturbanceEnds) {
  Spin spin(false);
  const auto now = disturb(spin, Spin::Clock::now());
  work(spin, now + milliseconds(500), milliseconds(5));
  EXPECT_TRUE(spin.over(kShortest));
}

TEST(Spin, AThreadThatMayNotPollSleepsAtOnce) {
  Spin spin(false);
  const auto now = disturb(spin, Spin::Clock::now());
  spin.begin(now, {});
  EXPECT_TRUE(spin.over({}));
}

TEST(Spin, ADisturbedThreadLeavesItsCpuAndMayUseTheSameOnesAfterwards) {
  cpu_set_t before;
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  if (CPU_COUNT(&before) < 2) GTEST_SKIP() << "one CPU";
  bool moved = false;
  // The kernel may move a thread at any time too, so more than one try.
  for (int i = 0; i < 20 && !moved; ++i) {
    Spin spin(true);
    const std::uint32_t here = this_cpu();
    disturb(spin, Spin::Clock::now());
    moved = this_cpu() != here;
  }
  EXPECT_TRUE(moved);
  cpu_set_t after;
  ASSERT_EQ(::sched_getaffinity(0, sizeof after, &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

}  // namespace
}  // namespace manta::net
