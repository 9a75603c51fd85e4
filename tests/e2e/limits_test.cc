// TaskOptions::timeout and CallOptions::timeout: what runs longer than it may, and what does not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <manta/manta.h>

#include "tests/e2e/outside.h"
#include "tests/support/process.h"

namespace manta::e2e {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using ::testing::AllOf;
using ::testing::HasSubstr;

// Cells of the page.
enum : std::size_t { kStarted = 200, kStopped, kOpen, kProcess, kLeaves, kRan };

constexpr auto kShort = 50ms * slowness();
// From the limit to the end of a task that does not end by itself; and what a busy machine adds.
constexpr auto kEnds = 1s + 10s * slowness();

// Runs until its stop token is set; then returns or throws.
int looks(bool throws, std::stop_token stop) {
  outside()[kProcess] = ::getpid();
  ++outside()[kStarted];
  const auto deadline = Clock::now() + 20s;
  while (!stop.stop_requested() && Clock::now() < deadline) std::this_thread::sleep_for(100us);
  ++outside()[kStopped];
  if (throws) throw std::runtime_error("left");
  return 1;
}
// Never looks.
int hangs() {
  outside()[kProcess] = ::getpid();
  ++outside()[kStarted];
  while (outside()[kOpen] == 0) {
  }
  return 1;
}
int waits(Ref<int> ref) { return get(ref); }
int gate() { return await_cell(kOpen, 1) ? 1 : 0; }
int counted(int x) {
  ++outside()[kRan];
  return x;
}
int takes(std::chrono::milliseconds time) {
  std::this_thread::sleep_for(time);
  return 1;
}
int leaf(std::stop_token stop) {
  ++outside()[kLeaves];
  return looks(false, stop);
}
int parent() {
  std::vector<Ref<int>> leaves;
  for (int i = 0; i < 3; ++i) leaves.push_back(remote<leaf>.options({.num_cpus = 0})());
  return get(leaves)[0];
}
// Waits for a child that hangs beyond its limit.
int waits_for_a_child() {
  auto ref = remote<hangs>.options({.num_cpus = 0, .timeout = kShort})();
  const auto child = try_get(ref);
  return !child && child.error().code() == ErrorCode::deadline ? ::getpid() : 0;
}
int dies_then_takes(std::chrono::milliseconds time) {
  if (++outside()[kStarted] == 1) {
    std::this_thread::sleep_for(time);
    ::kill(::getpid(), SIGKILL);
  }
  return takes(time);
}
Generator<int> counts(int before, bool hang) {
  outside()[kProcess] = ::getpid();
  for (int i = 0; i < before; ++i) co_yield i;
  if (hang) (void)hangs();
  for (int i = before;; ++i) co_yield i;
}
int fib(int n) {
  if (n < 2) return n;
  auto one = remote<fib>.options({.num_cpus = 0.1, .timeout = 20s})(n - 1);
  auto two = remote<fib>.options({.num_cpus = 0.1, .timeout = 20s})(n - 2);
  return get(one) + get(two);
}
Task<int> sleeps() {
  ++outside()[kStarted];
  co_await sleep_for(20s);
  co_return 1;
}

template <class T>
Error error_of(const Ref<T>& ref) {
  auto result = try_get(ref, kEnds);
  return result ? Error(ErrorCode::internal, "no error") : result.error();
}
template <class T>
void expect_deadline(const Ref<T>& ref) {
  const Error error = error_of(ref);
  EXPECT_EQ(error.code(), ErrorCode::deadline) << error.message();
  EXPECT_THAT(error.message(), HasSubstr("its time limit of")) << error.message();
}
void expect_three_and_deadline(Stream<int>& items) {
  int next = 0;
  try {
    while (const std::optional<int> item = items.next()) ASSERT_EQ(*item, next++);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::deadline) << error.message();
  }
  EXPECT_GE(next, 3);
}
bool ends(std::int64_t process) { return support::await_exit(static_cast<pid_t>(process)); }

struct TimeLimit : ::testing::Test {
  TimeLimit() { outside().clear(); }
  ~TimeLimit() override { outside()[kOpen] = 1; }
};

TEST_F(TimeLimit, ATaskThatLooksEndsByItself) {
  for (const bool throws : {false, true}) {
    auto ref = remote<looks>.options({.retry_exceptions = true, .timeout = kShort, .name = "fit"})(throws);
    const Error error = error_of(ref);
    EXPECT_EQ(error.code(), ErrorCode::deadline);
    EXPECT_THAT(
        error.message(),
        AllOf(HasSubstr("task fit (attempt 1 of 4) took longer than its time limit of "),
              HasSubstr(throws ? "ended with: " : "returned a value too late"),
              HasSubstr("Give it more by TaskOptions::timeout, or look at its stack while it runs: gdb -p PID")));
  }
  EXPECT_EQ(outside()[kStarted], 2) << "none was tried again";
  EXPECT_EQ(outside()[kStopped], 2);
  EXPECT_EQ(::kill(static_cast<pid_t>(outside()[kProcess]), 0), 0) << "its worker was not ended";
}

TEST_F(TimeLimit, AWaitEnds) {
  auto shut = remote<gate>.options({.num_cpus = 0})();
  expect_deadline(remote<waits>.options({.timeout = kShort})(shut));
  expect_deadline(remote<sleeps>.options({.timeout = kShort})());
}

TEST_F(TimeLimit, ATaskThatHangsEndsWithItsWorker) {
  const auto start = Clock::now();
  auto ref = remote<hangs>.options({.timeout = kShort})();
  ASSERT_TRUE(await_cell(kStarted, 1));
  std::vector<Ref<int>> behind;
  for (int i = 0; i < 50; ++i) behind.push_back(remote<counted>.options({.max_retries = 0})(i));
  const Error error = error_of(ref);
  EXPECT_GE(Clock::now() - start, 1s + kShort);
  EXPECT_EQ(error.code(), ErrorCode::deadline);
  EXPECT_THAT(error.message(), HasSubstr("was killed by signal 9"));
  EXPECT_TRUE(ends(outside()[kProcess]));
  for (int i = 0; i < 50; ++i) EXPECT_EQ(get(behind[static_cast<std::size_t>(i)]), i);
  EXPECT_EQ(outside()[kStarted], 1) << "it is not tried again";
}

TEST_F(TimeLimit, CountsFromWhereTheTaskBegins) {
  constexpr auto kLong = 400ms * slowness();
  auto busy = remote<takes>(kLong);
  auto argument = remote<takes>(kLong);
  std::vector<Ref<int>> refs;
  for (int i = 0; i < 20; ++i) refs.push_back(remote<counted>.options({.timeout = kLong / 4})(i));
  refs.push_back(remote<counted>.options({.timeout = kLong / 4})(argument));
  for (auto& ref : refs) EXPECT_NO_THROW((void)get(ref));
}

TEST_F(TimeLimit, WhatItSubmittedGoesWithIt) {
  auto ref = remote<parent>.options({.num_cpus = 0, .timeout = 300ms * slowness()})();
  expect_deadline(ref);
  ASSERT_TRUE(await_cell(kStopped, outside()[kLeaves]));
  EXPECT_EQ(outside()[kLeaves], 3);
}

TEST_F(TimeLimit, AChildHasAWorkerOfItsOwnAndItsParentLives) {
  const int process = get(remote<waits_for_a_child>.options({.num_cpus = 0, .max_retries = 0})());
  EXPECT_NE(process, 0);
  EXPECT_NE(process, outside()[kProcess]);
  EXPECT_TRUE(ends(outside()[kProcess]));
}

TEST_F(TimeLimit, EachAttemptHasTheWholeTime) {
  constexpr auto kTime = 300ms * slowness();
  EXPECT_EQ(get(remote<dies_then_takes>.options({.timeout = kTime * 5 / 3})(kTime)), 1);
  EXPECT_EQ(outside()[kStarted], 2);
}

TEST_F(TimeLimit, AStreamGivesWhatItHasAndThenTheError) {
  for (const bool hang : {false, true}) {
    Stream<int> items = remote<counts>.options({.timeout = kShort, .stream_buffer = hang ? 8U : 0U})(3, hang);
    expect_three_and_deadline(items);
  }
}

TEST_F(TimeLimit, ShortTasksNeverPassIt) {
  const auto rate = [](const TaskOptions& options) {
    const auto start = Clock::now();
    std::vector<Ref<int>> refs;
    for (int i = 0; i < 10'000; ++i) refs.push_back(remote<counted>.options(options)(i));
    for (int i = 0; i < 10'000; ++i) EXPECT_EQ(get(refs[static_cast<std::size_t>(i)]), i);
    return 10'000 / std::chrono::duration<double>(Clock::now() - start).count();
  };
  double without = 0, with = 0;
  for (int i = 0; i < 5; ++i) {
    without = std::max(without, rate({}));
    with = std::max(with, rate({.timeout = 10s}));
  }
  RecordProperty("per_second_without", static_cast<int>(without));
  RecordProperty("per_second_with", static_cast<int>(with));
  // The benchmark has the figure (about 0.7). This finds a limit that costs a message or a system call for each task.
  EXPECT_GE(with, without / 10) << without;
}

TEST_F(TimeLimit, OfARecursion) { EXPECT_EQ(get(remote<fib>.options({.num_cpus = 0.1, .timeout = 20s})(5)), 5); }

// --- calls of actors

struct Worker {
  int quick(int x) { return counted(x); }
  int look(std::stop_token stop) { return looks(true, stop); }
  int hang() { return hangs(); }
  std::string keep(const std::string& text) {
    (void)hangs();
    return text + text;
  }
  Generator<int> count(int before, bool hang) { return counts(before, hang); }
};
struct Gateway {
  Task<int> wait() {
    ++outside()[kStarted];
    co_await sleep_for(20s);
    co_return 1;
  }
  Task<int> quick(int x) { co_return x; }
};

TEST_F(TimeLimit, ACallThatLooksEndsAndTheActorLives) {
  auto worker = actor<Worker>();
  expect_deadline(worker.options({.timeout = kShort}).call<&Worker::look>());
  EXPECT_EQ(outside()[kStopped], 1);
  EXPECT_EQ(get(worker.call<&Worker::quick>(4)), 4);
}

TEST_F(TimeLimit, ACallThatHangsIsLeftToItself) {
  auto worker = actor<Worker>();
  const std::string text(100'000, 'x');
  const Error error = error_of(worker.options({.timeout = kShort}).call<&Worker::keep>(put(text)));
  EXPECT_EQ(error.code(), ErrorCode::deadline);
  EXPECT_THAT(error.message(), AllOf(HasSubstr("call of "), HasSubstr("Worker::keep"), HasSubstr("the method goes on"),
                                     HasSubstr("CallOptions::timeout")));
  auto behind = worker.options({.timeout = kShort}).call<&Worker::quick>(5);
  EXPECT_FALSE(try_get(behind, 200ms).has_value()) << "it waits for the method";
  outside()[kOpen] = 1;
  EXPECT_EQ(get(behind), 5) << "and had not begun";
  EXPECT_EQ(::kill(static_cast<pid_t>(outside()[kProcess]), 0), 0);
}

TEST_F(TimeLimit, OneOfSeveralCallsAtATime) {
  auto worker = actor<Worker>.options({.max_concurrency = 2})();
  auto hung = worker.options({.timeout = kShort}).call<&Worker::hang>();
  ASSERT_TRUE(await_cell(kStarted, 1));
  for (int i = 0; i < 3'000; ++i) ASSERT_EQ(get(worker.call<&Worker::quick>(i)), i);
  expect_deadline(hung);
  for (int i = 0; i < 3'000; ++i) ASSERT_EQ(get(worker.call<&Worker::quick>(i)), i);
  outside()[kOpen] = 1;
  for (int i = 0; i < 3'000; ++i) ASSERT_EQ(get(worker.call<&Worker::quick>(i)), i);
}

TEST_F(TimeLimit, ACallThatWaitsInACoroutine) {
  auto gateway = actor<Gateway>();
  auto waits = gateway.options({.timeout = kShort}).call<&Gateway::wait>();
  EXPECT_EQ(get(gateway.call<&Gateway::quick>(3)), 3);
  expect_deadline(waits);
  EXPECT_EQ(get(gateway.call<&Gateway::quick>(4)), 4);
}

TEST_F(TimeLimit, AStreamOfACall) {
  auto worker = actor<Worker>();
  for (const bool hang : {false, true}) {
    outside()[kOpen] = 0;
    Stream<int> items = worker.options({.stream_buffer = 8, .timeout = kShort}).call<&Worker::count>(3, hang);
    expect_three_and_deadline(items);
    outside()[kOpen] = 1;
    EXPECT_EQ(get(worker.call<&Worker::quick>(4)), 4) << "the method has ended at its next item";
  }
}

int of_a_borrowed_handle(Actor<Worker> worker) {
  return error_of(worker.options({.timeout = kShort}).call<&Worker::hang>()).code() == ErrorCode::deadline;
}

TEST_F(TimeLimit, ACallOfABorrowedHandle) {
  auto worker = actor<Worker>();
  EXPECT_EQ(get(remote<of_a_borrowed_handle>.options({.num_cpus = 0})(worker)), 1);
  outside()[kOpen] = 1;
  EXPECT_EQ(get(worker.call<&Worker::quick>(4)), 4);
}

}  // namespace
}  // namespace manta::e2e
