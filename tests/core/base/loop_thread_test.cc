#include "core/base/loop_thread.h"

#include <gtest/gtest.h>

#include <thread>
#include <type_traits>

namespace manta {
namespace {

void take_message(const CheckedLoopThread& loop) { loop.assert_current(); }

TEST(LoopThread, TheThreadOfTheFirstCallMayCallAgain) {
  const CheckedLoopThread loop;  // made here
  std::thread([&] {
    take_message(loop);
    take_message(loop);
  }).join();
}

TEST(LoopThreadDeathTest, ACallFromAnotherThreadEndsTheProcessAndNamesTheFunction) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const CheckedLoopThread loop;
  take_message(loop);
  EXPECT_DEATH(std::thread([&] { take_message(loop); }).join(), "take_message\\(\\) belongs to an event loop");
}

struct Part {
  int state = 0;
  [[no_unique_address]] UncheckedLoopThread loop_thread;
};

TEST(LoopThread, CostsNoMemoryWithoutAssertions) { EXPECT_EQ(sizeof(Part), sizeof(int)); }

TEST(LoopThread, IsCheckedInBuildsWithAssertions) {
#ifdef NDEBUG
  EXPECT_TRUE((std::is_same_v<LoopThread, UncheckedLoopThread>));
#else
  EXPECT_TRUE((std::is_same_v<LoopThread, CheckedLoopThread>));
#endif
}

}  // namespace
}  // namespace manta
