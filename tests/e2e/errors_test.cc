// What fails, how often it is tried, and what the error says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <signal.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <vector>

#include <manta/manta.h>

#include "tests/e2e/outside.h"

namespace {

using manta::Error;
using manta::ErrorCode;
using manta::TaskError;
using manta::e2e::outside;

struct TooHot : std::runtime_error {
  using std::runtime_error::runtime_error;
};

int boom(int kind) {
  ++outside()[0];
  switch (kind) {
    case 0:
      throw std::out_of_range("index 7");
    case 1:
      throw TooHot("99 degrees");
    case 2:
      throw 42;
    case 3:
      throw std::string("text");
    case 5:
      try {
        throw std::out_of_range("index 7");
      } catch (...) {
        std::throw_with_nested(std::runtime_error("cannot fit"));
      }
    default:
      return kind;
  }
}
int passes(int value) { return value; }
int waits_for(int kind) { return manta::get(manta::remote<boom>(kind)); }
int waits_twice(int kind) { return manta::get(manta::remote<waits_for>(kind)); }

// Fails until it has been started `times` times.
int at_last(int cell, int times, int how) {
  const auto started = ++outside()[static_cast<std::size_t>(cell)];
  if (started >= times) return static_cast<int>(started);
  switch (how) {
    case 0:
      throw std::runtime_error("not yet: " + std::to_string(started));
    case 1:
      ::_exit(3);
    case 2:
      ::raise(SIGKILL);
      break;
    case 3:
      std::abort();
    default:
      *static_cast<volatile int*>(nullptr) = 1;
  }
  return -1;
}

template <class Ref>
Error error_of(const Ref& ref) {
  auto result = manta::try_get(ref);
  if (result) {
    ADD_FAILURE() << "no error";
    return Error(ErrorCode::internal, "none");
  }
  return result.error();
}

class Errors : public testing::Test {
 protected:
  void SetUp() override { outside().clear(); }
};

TEST_F(Errors, UserExceptionArrivesWithItsDetails) {
  auto ref = manta::remote<boom>(0);
  try {
    (void)manta::get(ref);
    FAIL() << "nothing thrown";
  } catch (const TaskError& error) {
    EXPECT_EQ(error.code(), ErrorCode::task_failed);
    ASSERT_NE(error.task(), nullptr);
    EXPECT_EQ(error.task()->type, "std::out_of_range");
    EXPECT_EQ(error.task()->what, "index 7");
    EXPECT_NE(error.task()->function.find("boom"), std::string::npos) << error.task()->function;
    EXPECT_EQ(error.task()->attempt, 1U);
    EXPECT_GT(error.task()->process, 0);
    EXPECT_NE(error.task()->process, ::getpid());
    char host[256] = {};
    ::gethostname(host, sizeof host - 1);
    EXPECT_EQ(error.task()->node, host);
    EXPECT_EQ(error.task()->trace, "");
    const std::string what = error.what();
    EXPECT_NE(what.find("boom threw std::out_of_range: index 7"), std::string::npos) << what;
  }
  EXPECT_EQ(outside()[0], 1) << "exceptions of user code are not retried unless asked";
  EXPECT_EQ(error_of(ref).task()->what, "index 7") << "each get throws it";
}

TEST_F(Errors, AnythingMayBeThrown) {
  EXPECT_NE(error_of(manta::remote<boom>(1)).task()->type.find("TooHot"), std::string::npos);
  const Error number = error_of(manta::remote<boom>(2));
  EXPECT_EQ(number.task()->type, "int");
  EXPECT_EQ(number.task()->what, "42");
  const Error text = error_of(manta::remote<boom>(3));
  EXPECT_EQ(text.task()->type, "std::string");
  EXPECT_EQ(text.task()->what, "text");
  const Error nested = error_of(manta::remote<boom>(5));
  EXPECT_EQ(nested.task()->type, "std::runtime_error");
  EXPECT_EQ(nested.task()->what, "cannot fit; caused by std::out_of_range: index 7");
  EXPECT_EQ(error_of(manta::remote<waits_for>(5)).task()->what, nested.task()->what) << "through another task";
  EXPECT_EQ(manta::get(manta::remote<boom>(4)), 4) << "the workers go on";
}

TEST_F(Errors, PassThroughTheTasksThatWaited) {
  const Error error = error_of(manta::remote<waits_twice>(0));
  ASSERT_EQ(error.code(), ErrorCode::task_failed) << error.what();
  EXPECT_EQ(error.task()->type, "std::out_of_range");
  EXPECT_NE(error.task()->function.find("boom"), std::string::npos);
  const std::string& trace = error.task()->trace;
  const std::size_t inner = trace.find("waits_for");
  const std::size_t outer = trace.find("waits_twice");
  EXPECT_LT(inner, outer) << trace;
  EXPECT_NE(outer, std::string::npos) << trace;
}

TEST_F(Errors, OfAnArgumentFailTheTaskWithoutRunningIt) {
  auto failed = manta::remote<boom>(1);
  auto next = manta::remote<passes>(failed);
  auto last = manta::remote<boom>(next);
  const Error error = error_of(last);
  EXPECT_EQ(error.task()->what, "99 degrees");
  EXPECT_EQ(outside()[0], 1);
  EXPECT_EQ(error_of(manta::remote<passes>(failed)).task()->what, "99 degrees") << "failed already when submitted";
}

TEST_F(Errors, NameTheTaskAsItsOptionsDo) {
  const Error error = error_of(manta::remote<boom>.options({.name = "fold 7"})(0));
  EXPECT_EQ(error.task()->function, "fold 7");
}

// A type whose reading throws what is no std::exception.
struct Unreadable {
  int kind = 0;
  template <class Archive>
  void save(Archive& archive) const {
    archive(kind);
  }
  template <class Archive>
  void load(Archive& archive) {
    archive(kind);
    if (kind == 1) throw 42;
    if (kind == 2) throw "cannot be read";
    if (kind == 3) throw std::bad_alloc();
  }
};
Unreadable makes_unreadable(int kind) { return {kind}; }
int takes_unreadable(Unreadable value) { return value.kind; }

TEST_F(Errors, OfReadingAValueAreReturned) {
  EXPECT_EQ(manta::try_get(manta::remote<makes_unreadable>(0)).value().kind, 0);
  const char* texts[] = {"", "42", "cannot be read", "no memory"};
  for (int kind = 1; kind <= 3; ++kind) {
    const Error got = error_of(manta::remote<makes_unreadable>(kind));
    EXPECT_NE(std::string(got.what()).find(texts[kind]), std::string::npos) << got.what();
    const Error argument = error_of(manta::remote<takes_unreadable>(Unreadable{kind}));
    EXPECT_NE(std::string(argument.what()).find(texts[kind]), std::string::npos) << argument.what();
    EXPECT_EQ(error_of(manta::put(Unreadable{kind})).code(), got.code());
  }
}

int throws_ours() { throw Error(ErrorCode::not_found, "no such fold"); }

TEST_F(Errors, OfUserCodeThatThrowsMantasOwn) {
  const Error error = error_of(manta::remote<throws_ours>());
  EXPECT_EQ(error.code(), ErrorCode::not_found);
  EXPECT_NE(std::string(error.what()).find("no such fold"), std::string::npos);
}

TEST_F(Errors, TryGetReturnsThem) {
  const auto result = manta::try_get(manta::remote<boom>(0));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::task_failed);
  EXPECT_EQ(manta::try_get(manta::remote<boom>(9)).value(), 9);
}

TEST_F(Errors, RetryExceptions) {
  EXPECT_EQ(manta::get(manta::remote<at_last>.options({.max_retries = 3, .retry_exceptions = true})(1, 4, 0)), 4);
  EXPECT_EQ(outside()[1], 4);
  const Error error = error_of(manta::remote<at_last>.options({.max_retries = 2, .retry_exceptions = true})(2, 100, 0));
  EXPECT_EQ(outside()[2], 3);
  EXPECT_EQ(error.task()->attempt, 3U);
  EXPECT_EQ(error.task()->what, "not yet: 3");
  (void)error_of(manta::remote<at_last>.options({.max_retries = 0, .retry_exceptions = true})(3, 100, 0));
  EXPECT_EQ(outside()[3], 1);
  EXPECT_EQ(manta::get(manta::remote<at_last>.options({.max_retries = -1, .retry_exceptions = true})(4, 50, 0)), 50);
}

TEST_F(Errors, WorkerDeathIsRetried) {
  for (int how = 1; how <= 3; ++how) {
    EXPECT_EQ(manta::get(manta::remote<at_last>.options({.max_retries = 3})(how, 3, how)), 3) << how;
  }
}

TEST_F(Errors, WorkerDeathAfterTheLastAttempt) {
  struct Case {
    int how;
    const char* status;
  };
  int cell = 10;
  for (const auto& [how, status] : {Case{1, "exited with status 3"}, Case{2, "was killed by signal 9 (SIGKILL)"},
                                    Case{3, "was killed by signal 6 (SIGABRT)"}}) {
    const Error error = error_of(manta::remote<at_last>.options({.max_retries = 1, .name = "fold"})(++cell, 100, how));
    EXPECT_EQ(error.code(), ErrorCode::worker_died);
    EXPECT_EQ(error.task(), nullptr);
    EXPECT_EQ(outside()[static_cast<std::size_t>(cell)], 2);
    const std::string what = error.what();
    EXPECT_EQ(what.find("task fold (attempt 2 of 2): the worker process that ran it "), 0U) << what;
    EXPECT_NE(what.find(status), std::string::npos) << what;
    EXPECT_NE(what.find("; look for a crash in the task, or allow more attempts with TaskOptions::max_retries"),
              std::string::npos)
        << what;
  }
}

TEST_F(Errors, NoRetries) {
  EXPECT_EQ(error_of(manta::remote<at_last>.options({.max_retries = 0})(1, 100, 2)).code(), ErrorCode::worker_died);
  EXPECT_EQ(outside()[1], 1);
}

TEST_F(Errors, RetriesWithoutEnd) {
  EXPECT_EQ(manta::get(manta::remote<at_last>.options({.max_retries = -1})(1, 12, 2)), 12);
}

TEST_F(Errors, DefaultIsThreeRetries) {
  EXPECT_EQ(manta::get(manta::remote<at_last>(1, 4, 2)), 4);
  EXPECT_EQ(error_of(manta::remote<at_last>(2, 5, 2)).code(), ErrorCode::worker_died);
  EXPECT_EQ(outside()[2], 4);
}

// Tasks that wait in the ring of a worker which dies have not started: they lose no attempt, and run once.
int count_me(int cell) { return static_cast<int>(++outside()[static_cast<std::size_t>(cell)]); }

TEST_F(Errors, OnlyStartedTasksLoseAnAttempt) {
  constexpr int kTasks = 400;
  std::vector<manta::Ref<int>> killers, others;
  for (int i = 0; i < kTasks; ++i) {
    if (i % 20 == 0) killers.push_back(manta::remote<at_last>.options({.max_retries = 1})(2 + i, 2, 2));
    others.push_back(manta::remote<count_me>.options({.max_retries = 0})(1000 + i));
  }
  // max_retries = 0: a task that had lost an attempt would have failed.
  for (int i = 0; i < kTasks; ++i) EXPECT_EQ(manta::get(others[static_cast<std::size_t>(i)]), 1) << i;
  for (auto& killer : killers) EXPECT_EQ(manta::get(killer), 2);
}

int slow(int x) {
  manta::e2e::await_cell(5, 1);
  return x;
}
std::pair<manta::Ref<int>, int> child_and_process() { return {manta::remote<slow>(3), ::getpid()}; }

TEST_F(Errors, OwnerOfTheObjectDied) {
  const auto [child, owner] = manta::get(manta::remote<child_and_process>());
  ::kill(owner, SIGKILL);
  const Error error = error_of(child);
  EXPECT_EQ(error.code(), ErrorCode::object_lost) << error.what();
  EXPECT_THAT(error.what(), testing::HasSubstr("is lost: the process that owned it was killed by signal 9 (SIGKILL)"));
  outside()[5] = 1;
  EXPECT_EQ(manta::get(manta::remote<passes>(1)), 1);
}

struct Unwilling {
  int value = 0;
  template <class Archive>
  void save(Archive& archive) const {
    if (value < 0) throw std::invalid_argument("negative");
    archive(value);
  }
  template <class Archive>
  void load(Archive& archive) {
    archive(value);
    if (value > 100) throw std::length_error("too long");
  }
};
Unwilling unwilling(int value) { return {value}; }
int reads(Unwilling value) { return value.value; }

TEST_F(Errors, OfSerialisation) {
  EXPECT_THROW((void)manta::remote<reads>(Unwilling{-1}), std::invalid_argument)
      << "at the call: nothing was submitted";
  EXPECT_THROW((void)manta::put(Unwilling{-1}), std::invalid_argument);
  const Error result = error_of(manta::remote<unwilling>(-1));
  EXPECT_NE(std::string(result.what()).find("negative"), std::string::npos) << result.what();
  const Error argument = error_of(manta::remote<reads>(Unwilling{101}));
  EXPECT_NE(std::string(argument.what()).find("too long"), std::string::npos) << argument.what();
  EXPECT_EQ(manta::get(manta::remote<reads>(manta::remote<unwilling>(5))), 5);
}

// With two CPUs the child cannot run in the process of the parent.
int parent_of_mortal(int cell) {
  return 1 + manta::get(manta::remote<at_last>.options({.num_cpus = 2, .max_retries = 3})(cell, 3, 2));
}

TEST_F(Errors, WorkerDiesWhileAnotherWaitsForItsResult) {
  EXPECT_EQ(manta::get(manta::remote<parent_of_mortal>(7)), 4);
}

}  // namespace
