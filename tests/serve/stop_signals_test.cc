// SIGINT and SIGTERM while a program serves, and the program's own handlers of them.
#include <signal.h>
#include <unistd.h>

#include <thread>

#include <gtest/gtest.h>

#include "serve/server/stop_signals.h"

namespace manta::serve {
namespace {

volatile sig_atomic_t own_handler_ran = 0;
void own_handler(int) { own_handler_ran = 1; }

TEST(StopSignals, TheProgramsHandlersAreBackAfterwards) {
  ::signal(SIGINT, own_handler);
  ::signal(SIGTERM, SIG_IGN);
  {
    StopSignals outer(SIGHUP);
    StopSignals inner;
    ::raise(SIGHUP);
    EXPECT_EQ(outer.wait(), SIGHUP);
    ::raise(SIGTERM);
    EXPECT_EQ(outer.wait(), SIGTERM);
    EXPECT_EQ(inner.wait(), SIGTERM);
  }
  EXPECT_EQ(own_handler_ran, 0);
  ::raise(SIGTERM);
  ::raise(SIGINT);
  EXPECT_EQ(own_handler_ran, 1);
  ::signal(SIGINT, SIG_DFL);
  ::signal(SIGTERM, SIG_DFL);
}

TEST(StopSignals, EveryThreadThatWaitsIsWoken) {
  StopSignals first, second;
  std::thread one([&] { EXPECT_EQ(first.wait(), SIGINT); }), two([&] { EXPECT_EQ(second.wait(), SIGINT); });
  ::kill(::getpid(), SIGINT);
  one.join();
  two.join();
}

TEST(StopSignals, WakeEndsNoOtherWait) {
  StopSignals woken, other;
  woken.wake();
  EXPECT_EQ(woken.wait(), 0);
  std::thread waits([&] { EXPECT_EQ(other.wait(), SIGTERM); });
  ::kill(::getpid(), SIGTERM);
  waits.join();
}

TEST(StopSignals, ASignalOfItsOwnIsReturnedToTheOneThatAskedForIt) {
  StopSignals first, second(SIGHUP);
  ::raise(SIGHUP);
  EXPECT_EQ(second.wait(), SIGHUP);
}

TEST(StopSignalsDeathTest, TheSecondEndsTheProgramAtOnce) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        StopSignals signals;
        ::raise(SIGINT);
        (void)signals.wait();
        ::raise(SIGTERM);
        ::_exit(0);
      },
      ::testing::KilledBySignal(SIGTERM), "");
}

}  // namespace
}  // namespace manta::serve
