// How processes of tasks and actors end: the caller's error says how.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <exception>
#include <string>
#include <thread>

#include <manta/manta.h>

#include "tests/e2e/outside.h"

namespace {

using manta::Error;
using manta::ErrorCode;
using manta::e2e::await_cell;
using manta::e2e::outside;
using ::testing::HasSubstr;

class Exits : public testing::Test {
 protected:
  void SetUp() override { outside().clear(); }
};

template <class Ref>
Error error_of(const Ref& ref) {
  auto result = manta::try_get(ref);
  return result ? Error(ErrorCode::internal, "no error") : result.error();
}

int ends(int how) {
  switch (how) {
    case 0:
      std::exit(0);
    case 3:
      std::exit(3);
    case 4:
      std::quick_exit(4);
    case 5:
      ::_exit(5);
    case 6:
      std::thread([] { std::exit(6); }).join();
      break;
    default:
      break;
  }
  return how;
}

struct Ends {
  explicit Ends(int in_constructor) {
    if (in_constructor != 0) std::exit(in_constructor);
  }
  int with(int status) { std::exit(status); }
};

TEST_F(Exits, StatusesOfTasksAreTheirs) {
  for (const int how : {0, 3, 4, 5, 6}) {
    const Error error = error_of(manta::remote<ends>.options({.max_retries = 0})(how));
    EXPECT_EQ(error.code(), ErrorCode::worker_died);
    EXPECT_THAT(error.what(), HasSubstr("exited with status " + std::to_string(how) + ";"));
  }
}

TEST_F(Exits, StatusesOfActorsAreTheirs) {
  const auto actor = manta::actor<Ends>(0);
  EXPECT_THAT(error_of(actor.call<&Ends::with>(7)).what(), HasSubstr("exited with status 7"));
#ifndef __SANITIZE_ADDRESS__  // for it the object that is being made is a leak, which has a status of its own
  const auto never = manta::actor<Ends>(8);
  EXPECT_THAT(error_of(never.call<&Ends::with>(0)).what(), HasSubstr("exited with status 8 while its constructor ran"));
#endif
}

int leaves_the_thread() {
  ++outside()[0];
  ::pthread_exit(nullptr);
}
struct Leaver {
  int leaves() { return leaves_the_thread(); }
  int stays() { return 1; }
};

TEST_F(Exits, PthreadExitInATaskIsAnErrorOfThatTask) {
  const Error error = error_of(manta::remote<leaves_the_thread>());
  EXPECT_EQ(error.code(), ErrorCode::task_failed) << error.what();
  EXPECT_THAT(error.what(), HasSubstr("leaves_the_thread called pthread_exit"));
  EXPECT_EQ(outside()[0], 1) << "and is not repeated";
  EXPECT_EQ(manta::get(manta::remote<ends>(1)), 1);
}

TEST_F(Exits, PthreadExitInAMethodEndsTheActor) {
  for (const int concurrency : {1, 3}) {
    const auto actor = manta::actor<Leaver>.options({.max_restarts = 1, .max_concurrency = concurrency})();
    EXPECT_THAT(error_of(actor.call<&Leaver::leaves>()).what(), HasSubstr("leaves called pthread_exit"));
    for (;;) {  // it has ended at the latest when the next process answers
      const auto result = manta::try_get(actor.call<&Leaver::stays>());
      if (result) break;
      ASSERT_EQ(result.error().code(), ErrorCode::unavailable);
    }
  }
}

struct Silent : std::exception {
  const char* what() const noexcept override { return nullptr; }
};
int throws_silently() { throw Silent(); }
struct SilentActor {
  SilentActor() { throw Silent(); }
  int never() { return 1; }
};

TEST_F(Exits, AnExceptionWithoutTextIsOne) {
  const Error error = error_of(manta::remote<throws_silently>());
  ASSERT_NE(error.task(), nullptr) << error.what();
  EXPECT_THAT(error.task()->type, HasSubstr("Silent"));
  EXPECT_EQ(error.task()->what, "");
  const auto actor = manta::actor<SilentActor>();
  EXPECT_THAT(error_of(actor.call<&SilentActor::never>()).what(), HasSubstr("Silent"));
}

// --- restarts

struct Doomed {
  Doomed() {
    ++outside()[1];
    std::abort();
  }
  int never() { return 1; }
};

TEST_F(Exits, AConstructorThatAbortsWaitsLongerAndLonger) {
  const auto start = std::chrono::steady_clock::now();
  const auto actor = manta::actor<Doomed>.options({.max_restarts = -1})();
  const auto call = actor.call<&Doomed::never>();
  ASSERT_TRUE(await_cell(1, 8));
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(10 + 20 + 40 + 80 + 160 + 320));
  EXPECT_FALSE(manta::try_get(call, std::chrono::milliseconds(0)));
  manta::kill(actor);  // its call would have it started again without end
}

TEST_F(Exits, AnActorThatHasUsedUpItsRestartsSaysWhatEndedIt) {
  const auto actor = manta::actor<Doomed>.options({.max_restarts = 2})();
  const Error error = error_of(actor.call<&Doomed::never>());
  EXPECT_EQ(error.code(), ErrorCode::actor_died);
  EXPECT_EQ(outside()[1], 3);
  EXPECT_THAT(error.what(), HasSubstr("was killed by signal 6 (SIGABRT)"));
  EXPECT_THAT(error.what(),
              HasSubstr(" while its constructor ran; its restarts are used up, ActorOptions::max_restarts is 2"));
}

// --- children of a task

int forks(int how) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (how == 0) return -1;  // it comes back from the task
    if (how == 1) std::exit(9);
    if (how == 2) throw std::runtime_error("from the child");
    if (how == 3) {
      const auto result = manta::try_get(manta::remote<ends>(1));
      ::_exit(!result && result.error().code() == ErrorCode::unavailable ? 9 : 1);
    }
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int forks_and_catches(int how) {
  try {
    return forks(how);
  } catch (const Error&) {  // the submission itself, in the child
    ::_exit(9);
  }
}

TEST_F(Exits, AForkedChildOfATaskIsNoSecondWorker) {
  EXPECT_EQ(manta::get(manta::remote<forks>(0)), 1);
  EXPECT_EQ(manta::get(manta::remote<forks>(1)), 9);
  EXPECT_EQ(manta::get(manta::remote<forks>(2)), 1);
  EXPECT_EQ(manta::get(manta::remote<forks_and_catches>(3)), 9);
  EXPECT_EQ(manta::get(manta::remote<ends>(2)), 2);
}

}  // namespace
