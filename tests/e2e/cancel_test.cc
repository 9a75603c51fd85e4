// manta::cancel: tasks and calls in each state, what they have submitted, and races with their ends.
#include <gtest/gtest.h>

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
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

// Cells of the page.
enum : std::size_t { kStarted = 100, kStopped, kGate, kRan, kProcess, kLeaves, kDone };

int counted(int x) {
  ++outside()[kRan];
  return x;
}
int gate() { return await_cell(kGate, 1) ? 1 : 0; }
void open_gate() { outside()[kGate] = 1; }
int add(int a, int b) {
  ++outside()[kRan];
  return a + b;
}

// Runs until its stop token is set.
int obeys(int x, std::stop_token stop) {
  outside()[kProcess] = ::getpid();
  ++outside()[kStarted];
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (!stop.stop_requested() && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(100us);
  ++outside()[kStopped];
  if (x < 0) throw std::runtime_error("stopped");
  return x;
}
int token_first(std::stop_token stop, const std::string& text) {
  return stop.stop_requested() ? -1 : static_cast<int>(text.size());
}
// Never looks: its wait ends it.
int waits_for(Ref<int> ref) {
  ++outside()[kStarted];
  try {
    return get(ref);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::cancelled) ++outside()[kStopped];
    throw;
  }
}
int waits_for_one_of(std::vector<Ref<int>> refs) {
  ++outside()[kStarted];
  wait(refs, {.count = refs.size()});
  return 0;
}
int waits_in_order(std::vector<Ref<int>> refs) {
  ++outside()[kStarted];
  for (auto& ref : as_completed(refs)) (void)get(ref);
  return 0;
}
void spins() {
  outside()[kProcess] = ::getpid();
  ++outside()[kStarted];
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (std::chrono::steady_clock::now() < deadline) {
  }
  ++outside()[kDone];
}
// Three levels: the middle ones drop the Refs of what they submit, and wait for something else. Each waits for what
// needs more CPUs than it has, so that it runs elsewhere, not on the stack of the one that waits.
int leaf(std::stop_token stop) {
  ++outside()[kLeaves];
  return obeys(1, stop);
}
int middle(int leaves) {
  for (int i = 0; i < leaves; ++i) (void)remote<leaf>.options({.num_cpus = 0})();
  return get(remote<gate>.options({.num_cpus = 0.2})());
}
int top(int middles, int leaves) {
  std::vector<Ref<int>> refs;
  for (int i = 0; i < middles; ++i) refs.push_back(remote<middle>.options({.num_cpus = 0.1})(leaves));
  ++outside()[kStarted];
  return get(refs)[0];
}
int waits_on_its_stack() { return get(remote<obeys>.options({.num_cpus = 0})(-1)); }
void cancels(Ref<int> ref) { cancel(ref); }
int quick(int x) { return x; }

// A moment that is not the same each time.
void idle(int turns) {
  std::atomic<int> n{0};
  while (n.fetch_add(1) < turns) {
  }
}

template <class T>
Error error_of(const Ref<T>& ref) {
  auto result = try_get(ref, 30s);
  return result ? Error(ErrorCode::internal, "no error") : result.error();
}
template <class T>
void expect_cancelled(const Ref<T>& ref) {
  const Error error = error_of(ref);
  EXPECT_EQ(error.code(), ErrorCode::cancelled) << error.message();
}

struct Cancel : ::testing::Test {
  Cancel() { outside().clear(); }
  ~Cancel() override { open_gate(); }
};

TEST_F(Cancel, WhatWaitsForAnArgumentNeverRuns) {
  auto argument = remote<gate>();
  auto sum = remote<add>(argument, 1);
  auto more = remote<add>(sum, 1);
  cancel(sum);
  const Error error = error_of(sum);
  EXPECT_EQ(error.code(), ErrorCode::cancelled);
  EXPECT_NE(error.message().find("add"), std::string::npos) << error.message();
  EXPECT_NE(error.message().find("was cancelled by process " + std::to_string(::getpid())), std::string::npos)
      << error.message();
  expect_cancelled(more);
  open_gate();
  EXPECT_EQ(get(argument), 1);
  EXPECT_EQ(outside()[kRan], 0);
}

TEST_F(Cancel, WhatIsQueuedOrInARingNeverRuns) {
  std::vector<Ref<int>> busy;
  for (int i = 0; i < 2; ++i) busy.push_back(remote<obeys>(1));
  ASSERT_TRUE(await_cell(kStarted, 2));
  std::vector<Ref<int>> refs;
  for (int i = 0; i < 1000; ++i) refs.push_back(remote<counted>(i));
  for (const auto& ref : refs) cancel(ref);
  for (const auto& ref : refs) expect_cancelled(ref);
  for (const auto& ref : busy) cancel(ref);
  EXPECT_EQ(get(busy), (std::vector<int>{1, 1}));
  EXPECT_EQ(get(remote<counted>(7)), 7);
  EXPECT_EQ(outside()[kRan], 1);
}

TEST_F(Cancel, ARunningTaskSeesItsToken) {
  auto value = remote<obeys>(5);
  ASSERT_TRUE(await_cell(kStarted, 1));
  cancel(value);
  EXPECT_EQ(get(value), 5) << "a value counts";
  auto thrown = remote<obeys>.options({.retry_exceptions = true})(-5);
  ASSERT_TRUE(await_cell(kStarted, 2));
  cancel(thrown);
  const Error error = error_of(thrown);
  EXPECT_EQ(error.code(), ErrorCode::cancelled);
  EXPECT_NE(error.message().find("stopped"), std::string::npos) << error.message();
  EXPECT_EQ(outside()[kStarted], 2);
}

TEST_F(Cancel, TheTokenIsWhereverTheFunctionHasIt) {
  EXPECT_EQ(get(remote<token_first>("four")), 4);
  auto text = put(std::string("seven!!"));
  EXPECT_EQ(get(remote<token_first>(text)), 7);
}

TEST_F(Cancel, ARunningTaskThatWaitsIsThrownOut) {
  auto gated = remote<gate>.options({.num_cpus = 0})();
  auto one = remote<waits_for>.options({.num_cpus = 0})(gated);
  auto two = remote<waits_for_one_of>.options({.num_cpus = 0})(std::vector{gated});
  auto three = remote<waits_in_order>.options({.num_cpus = 0})(std::vector{gated});
  ASSERT_TRUE(await_cell(kStarted, 3));
  for (const auto& ref : {one, two, three}) cancel(ref);
  for (const auto& ref : {one, two, three}) expect_cancelled(ref);
  EXPECT_EQ(outside()[kStopped], 1);
  open_gate();
  EXPECT_EQ(get(gated), 1) << "it was another's";
}

TEST_F(Cancel, ByForceTheWorkerEndsAndNoOtherTaskLosesAnAttempt) {
  auto hung = remote<spins>();
  ASSERT_TRUE(await_cell(kStarted, 1));
  const auto process = static_cast<pid_t>(outside()[kProcess]);
  std::vector<Ref<int>> behind;
  for (int i = 0; i < 50; ++i) behind.push_back(remote<counted>.options({.max_retries = 0})(i));
  cancel(hung, {.force = true});
  expect_cancelled(hung);
  EXPECT_TRUE(support::await_exit(process));
  for (int i = 0; i < 50; ++i) EXPECT_EQ(get(behind[static_cast<std::size_t>(i)]), i);
  EXPECT_EQ(outside()[kStarted], 1);
}

TEST_F(Cancel, ByForceWhileTheWorkerDoesNotListen) {
  auto hung = remote<obeys>(1);
  ASSERT_TRUE(await_cell(kStarted, 1));
  ::kill(static_cast<pid_t>(outside()[kProcess]), SIGSTOP);
  cancel(hung, {.force = true});
  expect_cancelled(hung);
}

TEST_F(Cancel, WhatItSubmittedGoesWithIt) {
  auto root = remote<top>.options({.num_cpus = 0})(3, 4);
  ASSERT_TRUE(await_cell(kLeaves, 12));
  cancel(root);
  expect_cancelled(root);
  ASSERT_TRUE(await_cell(kStopped, 12)) << outside()[kStopped];
}

TEST_F(Cancel, AlsoWhatRunsOnItsStack) {
  auto root = remote<waits_on_its_stack>.options({.num_cpus = 0})();
  ASSERT_TRUE(await_cell(kStarted, 1));
  cancel(root);
  expect_cancelled(root);
  EXPECT_EQ(outside()[kStopped], 1);
}

TEST_F(Cancel, ByForceToo) {
  auto root = remote<top>.options({.num_cpus = 0})(2, 1);
  ASSERT_TRUE(await_cell(kLeaves, 2));
  const auto process = static_cast<pid_t>(outside()[kProcess]);  // of a leaf
  cancel(root, {.force = true});
  expect_cancelled(root);
  EXPECT_TRUE(support::await_exit(process));
}

TEST_F(Cancel, OrStaysIfAskedTo) {
  auto root = remote<top>.options({.num_cpus = 0})(1, 1);
  ASSERT_TRUE(await_cell(kLeaves, 1));
  cancel(root, {.recursive = false});
  expect_cancelled(root);
  EXPECT_EQ(outside()[kStopped], 0);
  open_gate();
  // The leaf has no Ref anywhere: its worker is ended with the runtime, or after its own limit.
  EXPECT_EQ(get(remote<counted>.options({.num_cpus = 0})(3)), 3);
}

TEST_F(Cancel, ABorrowedRef) {
  auto running = remote<obeys>.options({.num_cpus = 0})(-1);
  ASSERT_TRUE(await_cell(kStarted, 1));
  get(remote<cancels>.options({.num_cpus = 0})(running));
  const Error error = error_of(running);
  EXPECT_EQ(error.code(), ErrorCode::cancelled);
  EXPECT_NE(error.message().find("a task in process"), std::string::npos) << error.message();
}

TEST_F(Cancel, WhatIsThereStays) {
  auto value = put(4);
  cancel(value, {.force = true});
  EXPECT_EQ(get(value), 4);
  auto done = remote<quick>(6);
  EXPECT_EQ(get(done), 6);
  cancel(done);
  EXPECT_EQ(get(done), 6);
  EXPECT_THROW(cancel(Ref<int>()), Error);
}

TEST_F(Cancel, RacingWithTheEnd) {
  int values = 0;
  for (int i = 0; i < 10'000; ++i) {
    auto ref = remote<quick>(i);
    if (i % 3 == 1) {
      idle(i % 2000);
    }
    cancel(ref);
    const auto result = try_get(ref, 30s);
    if (result) {
      ASSERT_EQ(*result, i);
      ++values;
    } else {
      ASSERT_EQ(result.error().code(), ErrorCode::cancelled) << result.error().message();
    }
  }
  RecordProperty("values", values);
  EXPECT_EQ(get(remote<quick>(1)), 1);
}

// STOP-1: stopped at the moment when it begins.
TEST_F(Cancel, RacingWithTheBeginning) {
  for (int i = 0; i < 2'000; ++i) {
    auto ref = remote<obeys>(-1);
    idle(i * 37 % 4000);
    cancel(ref);
    expect_cancelled(ref);
  }
}

// --- calls of actors

struct Worker {
  int quick(int x) {
    outside()[kDone] = x;
    ++outside()[kRan];
    return x;
  }
  int obey(int x, std::stop_token stop) { return obeys(x, stop); }
  int wait(Ref<int> ref) { return waits_for(ref); }
};

TEST_F(Cancel, QueuedCallsAreTakenOut) {
  auto worker = actor<Worker>();
  auto running = worker.call<&Worker::obey>(1);
  ASSERT_TRUE(await_cell(kStarted, 1));
  std::vector<Ref<int>> calls;
  for (int i = 0; i < 100; ++i) calls.push_back(worker.call<&Worker::quick>(i));
  for (std::size_t i = 0; i < 100; i += 2) cancel(calls[i]);
  for (std::size_t i = 0; i < 100; i += 2) expect_cancelled(calls[i]);
  cancel(running);
  EXPECT_EQ(get(running), 1);
  for (std::size_t i = 1; i < 100; i += 2) EXPECT_EQ(get(calls[i]), static_cast<int>(i));
  EXPECT_EQ(outside()[kRan], 50);
  EXPECT_EQ(outside()[kDone], 99);
}

TEST_F(Cancel, ARunningCallIsStoppedAndTheActorLives) {
  auto worker = actor<Worker>();
  auto gated = remote<gate>.options({.num_cpus = 0})();
  auto waits = worker.call<&Worker::wait>(gated);
  EXPECT_EQ(outside()[kStopped], 0);
  auto behind = worker.call<&Worker::quick>(3);
  open_gate();
  EXPECT_EQ(get(waits), 1);
  outside()[kGate] = 0;
  auto thrown = worker.call<&Worker::obey>(-1);
  ASSERT_TRUE(await_cell(kStarted, 2));
  try {
    cancel(thrown, {.force = true});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  }
  cancel(thrown);
  expect_cancelled(thrown);
  EXPECT_EQ(get(behind), 3);
  EXPECT_EQ(get(worker.call<&Worker::quick>(4)), 4);
}

int cancel_a_call_of(Actor<Worker> worker) {
  auto call = worker.call<&Worker::obey>(-1);
  await_cell(kStarted, 1);
  cancel(call);
  return error_of(call).code() == ErrorCode::cancelled ? 1 : 0;
}

TEST_F(Cancel, ACallOfABorrowedHandle) {
  auto worker = actor<Worker>();
  EXPECT_EQ(get(remote<cancel_a_call_of>.options({.num_cpus = 0})(worker)), 1);
  EXPECT_EQ(get(worker.call<&Worker::quick>(4)), 4);
}

TEST_F(Cancel, OneOfSeveralThatRunAtATime) {
  auto worker = actor<Worker>.options({.max_concurrency = 4})();
  std::vector<Ref<int>> calls;
  for (int i = 0; i < 3; ++i) calls.push_back(worker.call<&Worker::obey>(i + 1));
  ASSERT_TRUE(await_cell(kStarted, 3));
  cancel(calls[1]);
  EXPECT_EQ(get(calls[1]), 2);
  EXPECT_FALSE(calls[0].ready());
  EXPECT_FALSE(calls[2].ready());
  EXPECT_EQ(outside()[kStopped], 1);
  cancel(calls[0]);
  cancel(calls[2]);
  EXPECT_EQ(get(calls), (std::vector<int>{1, 2, 3}));
}

}  // namespace
}  // namespace manta::e2e
