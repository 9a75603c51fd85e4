// kill -9 of any process of a Manta program, and every other end of the driver, leaves nothing behind. Looked at from
// outside: the program that is watched is neither above nor below this one.
#include <gtest/gtest.h>

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <manta/error.h>

#include "tests/e2e/leak_victim.h"
#include "tests/e2e/outside.h"
#include "tests/e2e/session.h"
#include "tests/support/process.h"

namespace manta::e2e {
namespace {

using namespace std::chrono_literals;

const auto kLimit = 5s * slowness();

bool executes() {
  const char* mode = std::getenv("MANTA_ZYGOTE");
  return mode != nullptr && std::strcmp(mode, "exec") == 0;
}

// Looks until as many workers and children of user code as that, or more, and one zygote are there by name. A process
// that was just forked has its parent's name for a while.
bool settles(Session& session, std::size_t workers, std::size_t children) {
  const auto deadline = std::chrono::steady_clock::now() + kLimit;
  for (;;) {
    session.look();
    if (session.named("manta-zygote").size() == (executes() ? 0 : 1) &&
        session.named("manta-worker").size() >= workers && session.named("sleep").size() >= children) {
      return true;
    }
    if (std::chrono::steady_clock::now() > deadline) return false;
    ::usleep(1000);
  }
}

class Leaks : public testing::Test {
 protected:
  void SetUp() override { outside().clear(); }

  // Until the victim has everything that could be left behind.
  static void make_ready(Session& session) {
    ASSERT_TRUE(await_cell(kReady, 1));
    EXPECT_TRUE(settles(session, 2, 3));
    EXPECT_EQ(session.named("manta-node").size(), 1U);
    EXPECT_EQ(session.named("manta-guard").size(), 1U);
    EXPECT_GE(session.memories(), 6U);
    EXPECT_GE(session.sockets(), 6U);
  }
  static void expect_nothing_left(Session& session) {
    for (const std::string& line : session.left(kLimit)) ADD_FAILURE() << line;
  }
  // The program goes on and ends by itself, rightly.
  static void expect_right_end(Session& session) {
    outside()[kGo] = 1;
    EXPECT_TRUE(await_cell(kDone, 1)) << "error " << outside()[kError] - 1;
    EXPECT_EQ(outside()[kDone], 1);
    EXPECT_TRUE(session.driver_ends(kLimit));
    expect_nothing_left(session);
  }
};

TEST_F(Leaks, NormalEnd) {
  Session session({"--victim=wait"});
  make_ready(session);
  expect_right_end(session);
}

class DriverEnds : public Leaks, public testing::WithParamInterface<const char*> {};

TEST_P(DriverEnds, LeavesNothing) {
  Session session({std::string("--victim=") + GetParam()});
  ASSERT_TRUE(await_cell(kReady, 1));
  EXPECT_TRUE(session.driver_ends(kLimit));
  expect_nothing_left(session);
}
INSTANTIATE_TEST_SUITE_P(By, DriverEnds, testing::Values("exit", "quick_exit", "abort", "throw"),
                         [](const auto& test) { return std::string(test.param); });

// A child that the driver forked has its sockets and lives on; Manta's processes do not wait for it.
TEST_F(Leaks, DriverEndsAndHasAChild) {
  Session session({"--victim=fork"});
  ASSERT_TRUE(await_cell(kReady, 1));
  session.look();
  ASSERT_TRUE(await_cell(kOwnChild, 1));
  const auto child = static_cast<pid_t>(outside()[kOwnChild]);
  for (const char* name : {"manta-worker", "manta-zygote", "manta-node", "manta-guard", "sleep"}) {
    for (const pid_t process : session.named(name)) EXPECT_TRUE(support::await_exit(process, kLimit)) << name;
  }
  EXPECT_EQ(::kill(child, SIGKILL), 0);
  expect_nothing_left(session);
}

class DriverSignal : public Leaks, public testing::WithParamInterface<int> {};

TEST_P(DriverSignal, LeavesNothing) {
  Session session({"--victim=wait"});
  make_ready(session);
  ::kill(session.driver(), GetParam());
  EXPECT_TRUE(session.driver_ends(kLimit));
  expect_nothing_left(session);
}
INSTANTIATE_TEST_SUITE_P(By, DriverSignal, testing::Values(SIGKILL, SIGTERM, SIGINT, SIGHUP, SIGSEGV),
                         [](const auto& test) { return std::string(::sigabbrev_np(test.param)); });

// As a terminal's Ctrl-C would: everything in the driver's process group.
TEST_F(Leaks, SignalToTheProcessGroup) {
  Session session({"--victim=wait"});
  make_ready(session);
  ::kill(-session.driver(), SIGINT);
  EXPECT_TRUE(session.driver_ends(kLimit));
  expect_nothing_left(session);
}

TEST_F(Leaks, NodeProcessIsKilled) {
  Session session({"--victim=wait"});
  make_ready(session);
  ::kill(session.named("manta-node").at(0), SIGKILL);
  EXPECT_TRUE(await_cell(kError, 1));
  EXPECT_EQ(outside()[kError], 1 + static_cast<int>(ErrorCode::unavailable));
  EXPECT_TRUE(session.driver_ends(kLimit));
  expect_nothing_left(session);
}

TEST_F(Leaks, GuardIsKilled) {
  Session session({"--victim=wait"});
  make_ready(session);
  ::kill(session.named("manta-guard").at(0), SIGKILL);
  EXPECT_TRUE(await_cell(kError, 1));
  EXPECT_EQ(outside()[kError], 1 + static_cast<int>(ErrorCode::unavailable));
  EXPECT_TRUE(session.driver_ends(kLimit));
  expect_nothing_left(session);
}

TEST_F(Leaks, ZygoteIsKilled) {
  if (executes()) GTEST_SKIP() << "there is none";
  Session session({"--victim=wait"});
  make_ready(session);
  const pid_t zygote = session.named("manta-zygote").at(0);
  const pid_t busy = static_cast<pid_t>(outside()[kBusy]);
  ::kill(zygote, SIGKILL);
  EXPECT_TRUE(support::await_exit(zygote, kLimit));
  ::kill(busy, SIGKILL);  // so that the next zygote has something to do
  EXPECT_TRUE(await_cell(kStarts, 2));
  EXPECT_TRUE(settles(session, 1, 0));
  expect_right_end(session);
}

// Together, so that the node process finds its zygote dead when it asks it for workers.
TEST_F(Leaks, ZygoteAndAllWorkersAreKilled) {
  if (executes()) GTEST_SKIP() << "there is none";
  Session session({"--victim=wait"});
  make_ready(session);
  const pid_t node = session.named("manta-node").at(0);
  ::kill(node, SIGSTOP);
  ::kill(session.named("manta-zygote").at(0), SIGKILL);
  for (const pid_t worker : session.named("manta-worker")) ::kill(worker, SIGKILL);
  ::kill(node, SIGCONT);
  EXPECT_TRUE(await_cell(kStarts, 2));
  session.look();
  expect_right_end(session);
}

TEST_F(Leaks, BusyWorkerIsKilled) {
  Session session({"--victim=wait"});
  make_ready(session);
  ::kill(static_cast<pid_t>(outside()[kBusy]), SIGKILL);
  EXPECT_TRUE(await_cell(kStarts, 2));
  EXPECT_NE(outside()[kBusy], 0);
  session.look();
  expect_right_end(session);
  EXPECT_EQ(outside()[kStarts], 2);
}

TEST_F(Leaks, IdleWorkersAreKilled) {
  Session session({"--victim=wait"});
  make_ready(session);
  for (const pid_t worker : session.named("manta-worker")) {
    if (worker != outside()[kBusy]) ::kill(worker, SIGKILL);
  }
  session.look();
  expect_right_end(session);
  EXPECT_EQ(outside()[kStarts], 1);
}

// In turns, at any moment, also while everything is being started. --gtest_shuffle chooses other moments.
TEST_F(Leaks, EachIsKilledAtRandomMoments) {
  constexpr const char* kVictims[] = {"the driver", "manta-node", "manta-zygote", "manta-guard"};
  const int seed = testing::UnitTest::GetInstance()->random_seed();
  SCOPED_TRACE("--gtest_random_seed=" + std::to_string(seed));
  std::mt19937_64 random(static_cast<std::uint64_t>(seed));
  for (int i = 0; i < 12 && !HasFailure(); ++i) {
    const std::string name = kVictims[i % 4];
    SCOPED_TRACE(name);
    outside().clear();
    Session session({"--victim=wait"});
    ::usleep(static_cast<useconds_t>(random() % 25'000));
    session.look();
    const std::vector<pid_t> named = session.named(name);
    ::kill(named.empty() ? session.driver() : named[0], SIGKILL);
    outside()[kGo] = 1;
    EXPECT_TRUE(session.driver_ends(kLimit));
    if (name == "manta-zygote" && !named.empty()) {
      EXPECT_EQ(outside()[kDone], 1) << "error " << outside()[kError] - 1;
    }
    expect_nothing_left(session);
  }
}

}  // namespace
}  // namespace manta::e2e

int main(int argc, char** argv) {
  manta::e2e::prepare_outside();
  constexpr const char* kVictim = "--victim=";
  if (argc > 1 && std::strncmp(argv[1], kVictim, std::strlen(kVictim)) == 0) {
    return manta::e2e::leak_victim(argc, argv, argv[1] + std::strlen(kVictim));
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
