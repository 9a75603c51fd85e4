// Crashes of user code: the signal stays what it was, and the error says where.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cassert>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <manta/manta.h>

#include "tests/e2e/crash_functions.h"
#include "tests/e2e/outside.h"

namespace {

using manta::Error;
using manta::ErrorCode;
using manta::e2e::outside;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class Crashes : public testing::Test {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "the sanitizer's own handlers tell of crashes";
#endif
    outside().clear();
  }
};

// The error that the caller of a task that crashes gets.
template <class... Args, class F>
std::string message_of(F remote, Args... args) {
  const auto result = manta::try_get(remote.options({.max_retries = 0})(args...));
  if (result) return "no error";
  EXPECT_EQ(result.error().code(), ErrorCode::worker_died) << result.error().what();
  return result.error().what();
}

int task_reads_null() { return manta::e2e::reads_null(nullptr); }
int task_divides() { return manta::e2e::divides(0); }
int task_calls_null() { return manta::e2e::calls(nullptr); }
int task_overflows() { return manta::e2e::overflows(0); }
int task_gives_up() { manta::e2e::gives_up("no such fold"); }
int task_raises(int signal) {
  ::raise(signal);
  return 0;
}

TEST_F(Crashes, TheErrorNamesTheFunctionsWithFileAndLine) {
  const std::string text = message_of(manta::remote<task_reads_null>);
  EXPECT_THAT(text, HasSubstr("was killed by signal 11 (SIGSEGV); look for a crash"));
  EXPECT_THAT(text, HasSubstr("\n    at manta::e2e::reads_null(int*) (crash_functions.cc:" +
                              std::to_string(manta::e2e::kLineOfReadsNull) + ")"));
  EXPECT_THAT(text, AllOf(Not(HasSubstr("Thunk")), Not(HasSubstr("Executor")), Not(HasSubstr("run_task"))));
  EXPECT_EQ(message_of(manta::remote<task_reads_null>), text) << "known addresses";
}

TEST_F(Crashes, EachSignalIsReportedAsItWas) {
  EXPECT_THAT(message_of(manta::remote<task_divides>),
              AllOf(HasSubstr("signal 8 (SIGFPE)"), HasSubstr("at manta::e2e::divides(int)")));
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGTERM}) {
    EXPECT_THAT(message_of(manta::remote<task_raises>, signal),
                HasSubstr("was killed by signal " + std::to_string(signal)));
  }
}

TEST_F(Crashes, ACallOfANullPointerNamesTheCaller) {
  EXPECT_THAT(message_of(manta::remote<task_calls_null>),
              AllOf(HasSubstr("(SIGSEGV)"), HasSubstr("at manta::e2e::calls(int (*)())")));
}

TEST_F(Crashes, AStackOverflowIsNamed) {
  const std::string text = message_of(manta::remote<task_overflows>);
  EXPECT_THAT(text, AllOf(HasSubstr("signal 11 (SIGSEGV): its stack has overflown"),
                          HasSubstr("at manta::e2e::overflows(int)")));
  std::size_t lines = 0;
  for (const char c : text) lines += c == '\n' ? 1 : 0;
  EXPECT_LE(lines, 20U) << text;
}

TEST_F(Crashes, AnAbortComesWithItsMessage) {
  const std::string text = message_of(manta::remote<task_gives_up>);
  EXPECT_THAT(text,
              HasSubstr("was killed by signal 6 (SIGABRT) after it had printed \"terminate called after throwing an "
                        "instance of 'std::runtime_error', what():  no such fold\""));
  EXPECT_THAT(text, HasSubstr("\n    at manta::e2e::gives_up(char const*)"));
}

// The heap's end is overwritten, so that malloc finds it and aborts with its lock held.
int crashes_in_malloc() {
  for (int i = 0; i < 10'000; ++i) {
    auto* memory = static_cast<char*>(std::malloc(100'000));
    void* volatile hidden = memory;
    std::memset(static_cast<char*>(hidden) + 100'000, 0xff, 32);
  }
  return 0;
}

TEST_F(Crashes, InMallocWithItsLockHeld) {
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THAT(message_of(manta::remote<crashes_in_malloc>), AllOf(HasSubstr("(SIGABRT)"), HasSubstr("malloc()")));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
}

int crashes_in_threads(int count) {
  static pthread_barrier_t barrier;
  ::pthread_barrier_init(&barrier, nullptr, static_cast<unsigned>(count));
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([] {
      ::pthread_barrier_wait(&barrier);
      manta::e2e::reads_null(nullptr);
    });
  }
  for (std::thread& thread : threads) thread.join();
  return 0;
}

TEST_F(Crashes, OfSixtyFourThreadsAtOnce) {
  EXPECT_THAT(message_of(manta::remote<crashes_in_threads>, 64),
              AllOf(HasSubstr("(SIGSEGV)"), HasSubstr("at manta::e2e::reads_null(int*)")));
}

int has_a_handler() {
  ::signal(SIGSEGV, [](int) { ::_exit(42); });
  return manta::e2e::reads_null(nullptr);
}

TEST_F(Crashes, HandlersOfTheProgramStay) {
  EXPECT_THAT(message_of(manta::remote<has_a_handler>), HasSubstr("exited with status 42"));
}

int crashes_in_a_child() {
  const pid_t child = ::fork();
  if (child == 0) manta::e2e::reads_null(nullptr);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

TEST_F(Crashes, OfAForkedChildAreItsOwn) { EXPECT_EQ(manta::get(manta::remote<crashes_in_a_child>()), SIGSEGV); }

struct Crasher {
  int crash() { return manta::e2e::reads_null(nullptr); }
  int lives() { return 1; }
};

TEST_F(Crashes, OfAnActorReachItsCallers) {
  const auto actor = manta::actor<Crasher>();
  const auto crash = manta::try_get(actor.call<&Crasher::crash>());
  ASSERT_FALSE(crash);
  EXPECT_THAT(crash.error().what(), HasSubstr("at manta::e2e::reads_null(int*)"));
  const auto after = manta::try_get(actor.call<&Crasher::lives>());
  ASSERT_FALSE(after);
  EXPECT_EQ(after.error().code(), ErrorCode::actor_died);
  EXPECT_THAT(after.error().what(), HasSubstr("at manta::e2e::reads_null(int*)"));
}

}  // namespace
