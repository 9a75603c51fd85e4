// Coroutines as tasks and as methods of actors: what interleaves, what keeps its order, what is left at their end.
#include <gtest/gtest.h>

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <numeric>
#include <set>
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
enum : std::size_t { kStarted = 600, kGate, kMade, kEnded, kFrames, kFramesAtEnd, kProcess, kStops, kAtATime = 620 };
constexpr std::size_t kTest = 640;  // what ends after its test leaves the next one's cells alone

int gate() { return await_cell(kGate, 1) ? 1 : 0; }
void open_gate() { outside()[kGate] = 1; }
Ref<int> shut_gate() { return remote<gate>.options({.num_cpus = 0})(); }
int quick(int x) { return x; }
int fails() { throw std::runtime_error("no luck"); }

Task<int> sum(Ref<int> a, Ref<int> b) { co_return co_await a + co_await b; }
Task<std::string> text_of(const std::string& text, Ref<int> number) {
  co_return text + std::to_string(co_await number);
}
Task<void> waits_long() { co_await sleep_for(1h); }

// A local of a frame.
struct Local {
  Local() { ++outside()[kFrames]; }
  ~Local() {
    if (test == outside()[kTest]) --outside()[kFrames];
  }
  Local(const Local&) = delete;
  Local& operator=(const Local&) = delete;

  std::int64_t test = outside()[kTest];
};

struct Gateway {
  Gateway() {
    ++outside()[kMade];
    outside()[kProcess] = ::getpid();
  }
  ~Gateway() {
    if (test != outside()[kTest]) return;
    outside()[kFramesAtEnd] = outside()[kFrames].load();
    ++outside()[kEnded];
  }
  int plain(int x) { return x + 1; }
  void open() { open_gate(); }
  Task<int> at_once(int x) { co_return x; }
  Task<int> ask(int x, Ref<int> ref) {
    threads.insert(std::this_thread::get_id());
    order.push_back(x);
    const Local local;
    const Gauge gauge(kAtATime);
    ++outside()[kStarted];
    const int value = co_await ref;
    threads.insert(std::this_thread::get_id());
    co_return x + value;
  }
  Task<void> opens_later() {
    co_await yield();
    open_gate();
  }
  Task<int> naps(int x, int milliseconds) {
    co_await sleep_for(std::chrono::milliseconds(milliseconds));
    co_return x;
  }
  Task<int> asks_others(int n) {
    std::vector<Ref<int>> refs;
    for (int i = 0; i < n; ++i) refs.push_back(remote<quick>.options({.num_cpus = 0})(i));
    auto all = when_all(refs);
    const std::vector<int> values = co_await all;
    co_return std::accumulate(values.begin(), values.end(), 0);
  }
  Task<int> child(int depth) {
    if (depth == 0) co_return 0;
    auto below = child(depth - 1);
    co_return 1 + co_await below;
  }
  Task<int> throws(bool late) {
    if (late) co_await sleep_for(1ms);
    throw std::invalid_argument("not today");
    co_return 0;
  }
  Task<int> passes_on() {
    auto ref = remote<fails>.options({.num_cpus = 0})();
    co_return co_await ref;
  }
  Task<std::vector<int>> large(const std::vector<int>& values, Ref<int> ref) {
    const int value = co_await ref;
    std::vector<int> more = values;  // the argument is still there
    more.push_back(value);
    co_return more;
  }
  Task<Ref<int>> ref_of(int x, Ref<int> ref) {
    (void)co_await ref;
    co_return put(x);
  }
  Task<int> obeys(Ref<int> ref, std::stop_token stop) {
    const Local local;
    const std::stop_callback noticed(stop, [] { ++outside()[kStops]; });
    ++outside()[kStarted];
    co_return co_await ref;
  }
  Task<int> dies_once(Ref<int> ref) {
    const bool first = ++outside()[kStarted] == 1;
    if (first) co_await sleep_for(1h);
    co_return co_await ref;
  }
  std::vector<int> starts() { return order; }
  int threads_seen() { return static_cast<int>(threads.size()); }

  std::int64_t test = outside()[kTest];
  std::vector<int> order;
  std::set<std::thread::id> threads;
};

template <class T>
Error error_of(const Ref<T>& ref) {
  auto result = try_get(ref, 30s);
  return result ? Error(ErrorCode::internal, "no error") : result.error();
}

struct Coroutines : ::testing::Test {
  Coroutines() {
    if (::getenv("MANTA_ROLE") != nullptr) return;
    const std::int64_t test = outside()[kTest];
    outside().clear();
    outside()[kTest] = test + 1;
  }
  ~Coroutines() override { open_gate(); }
};

// --- tasks

TEST_F(Coroutines, ATaskAwaitsItsArguments) {
  auto shut = shut_gate();
  auto total = remote<sum>.options({.num_cpus = 0})(put(2), shut);
  auto text = remote<text_of>.options({.num_cpus = 0})("number ", shut);
  EXPECT_FALSE(total.ready());
  open_gate();
  EXPECT_EQ(get(total), 3);
  EXPECT_EQ(get(text), "number 1");
}

// More of them than CPUs, each waiting for the next: they release theirs.
Task<int> chain(int depth) {
  if (depth == 0) co_return 0;
  auto next = remote<chain>(depth - 1);
  co_return 1 + co_await next;
}
TEST_F(Coroutines, AWaitingTaskReleasesItsCpus) { EXPECT_EQ(get(remote<chain>(20)), 20); }

TEST_F(Coroutines, RunInTheDriverToo) {
  auto a = remote<quick>(20), b = remote<quick>(3);
  EXPECT_EQ(get(sum(a, b)), 23);
}

TEST_F(Coroutines, ACancelledTaskStopsWaiting) {
  auto waiting = remote<waits_long>.options({.num_cpus = 0})();
  auto on_a_ref = remote<sum>.options({.num_cpus = 0})(put(1), shut_gate());
  std::this_thread::sleep_for(20ms);
  cancel(on_a_ref);
  EXPECT_EQ(error_of(on_a_ref).code(), ErrorCode::cancelled);
  cancel(waiting, {.force = true});
  EXPECT_EQ(error_of(waiting).code(), ErrorCode::cancelled);
}

// --- actors

TEST_F(Coroutines, CallsWaitForEachOtherInOneThread) {
  auto gateway = actor<Gateway>();
  auto shut = shut_gate();
  std::vector<Ref<int>> calls;
  for (int i = 0; i < 99; ++i) calls.push_back(gateway.call<&Gateway::ask>(i, shut));
  ASSERT_TRUE(await_cell(kStarted, 99));
  EXPECT_EQ(get(gateway.call<&Gateway::plain>(6)), 7) << "an ordinary method, between them";
  EXPECT_EQ(get(gateway.call<&Gateway::at_once>(8)), 8);
  auto opened = gateway.call<&Gateway::opens_later>();
  for (int i = 0; i < 99; ++i) EXPECT_EQ(get(calls[static_cast<std::size_t>(i)]), i + 1);
  get(opened);
  std::vector<int> expected(99);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(get(gateway.call<&Gateway::starts>()), expected);
  EXPECT_EQ(get(gateway.call<&Gateway::threads_seen>()), 1);
  EXPECT_EQ(outside()[kFrames], 0);
}

TEST_F(Coroutines, AThousandAtATimeByDefault) {
  auto gateway = actor<Gateway>();
  auto shut = shut_gate();
  std::vector<Ref<int>> calls;
  for (int i = 0; i < 1'500; ++i) calls.push_back(gateway.call<&Gateway::ask>(i, shut));
  ASSERT_TRUE(await_cell(kStarted, 1'000));
  open_gate();
  for (int i = 0; i < 1'500; ++i) ASSERT_EQ(get(calls[static_cast<std::size_t>(i)]), i + 1);
  EXPECT_EQ(Gauge::highest(kAtATime), 1'000);
}

TEST_F(Coroutines, NoMoreAtATimeThanAllowed) {
  auto gateway = actor<Gateway>.options({.max_concurrency = 3})();
  auto shut = shut_gate();
  std::vector<Ref<int>> calls;
  for (int i = 0; i < 20; ++i) calls.push_back(gateway.call<&Gateway::ask>(i, shut));
  ASSERT_TRUE(await_cell(kStarted, 3));
  open_gate();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(get(calls[static_cast<std::size_t>(i)]), i + 1);
  EXPECT_EQ(Gauge::highest(kAtATime), 3);
}

TEST_F(Coroutines, SleepersShareTheThread) {
  auto gateway = actor<Gateway>();
  const auto start = std::chrono::steady_clock::now();
  std::vector<Ref<int>> calls;
  for (int i = 0; i < 500; ++i) calls.push_back(gateway.call<&Gateway::naps>(i, 50 - i % 50));
  for (int i = 0; i < 500; ++i) EXPECT_EQ(get(calls[static_cast<std::size_t>(i)]), i);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s) << "12.75 s one after another";
}

TEST_F(Coroutines, AwaitManyAndDeep) {
  auto gateway = actor<Gateway>();
  EXPECT_EQ(get(gateway.call<&Gateway::asks_others>(200)), 199 * 200 / 2);
  EXPECT_EQ(get(gateway.call<&Gateway::child>(20'000)), 20'000);
}

TEST_F(Coroutines, ExceptionsArriveLikeOthers) {
  auto gateway = actor<Gateway>();
  for (const bool late : {false, true}) {
    const Error error = error_of(gateway.call<&Gateway::throws>(late));
    EXPECT_EQ(error.code(), ErrorCode::task_failed);
    EXPECT_NE(error.message().find("not today"), std::string::npos) << error.message();
    EXPECT_NE(error.message().find("throws"), std::string::npos) << error.message();
  }
  EXPECT_NE(error_of(gateway.call<&Gateway::passes_on>()).message().find("no luck"), std::string::npos);
  EXPECT_EQ(get(gateway.call<&Gateway::plain>(1)), 2);
}

TEST_F(Coroutines, LargeArgumentsAndResults) {
  auto gateway = actor<Gateway>();
  auto shut = shut_gate();
  std::vector<int> values(500'000);
  std::iota(values.begin(), values.end(), 0);
  auto direct = gateway.call<&Gateway::large>(values, shut);
  auto stored = gateway.call<&Gateway::large>(put(values), shut);
  auto small = gateway.call<&Gateway::large>(std::vector<int>{1, 2}, shut);
  auto ref = gateway.call<&Gateway::ref_of>(9, shut);
  ASSERT_EQ(get(gateway.call<&Gateway::plain>(1)), 2);
  open_gate();
  values.push_back(1);
  EXPECT_EQ(get(direct), values);
  EXPECT_EQ(get(stored), values);
  EXPECT_EQ(get(small), (std::vector<int>{1, 2, 1}));
  EXPECT_EQ(get(get(ref)), 9);
}

// --- ends

TEST_F(Coroutines, KilledWhileTheyWaitTheyAreRepeated) {
  auto gateway = actor<Gateway>.options({.max_restarts = 1, .max_task_retries = 1})();
  auto lost = actor<Gateway>.options({.max_restarts = 1})();
  auto shut = shut_gate();
  auto call = gateway.call<&Gateway::dies_once>(shut);
  ASSERT_TRUE(await_cell(kStarted, 1));
  ASSERT_EQ(get(gateway.call<&Gateway::plain>(1)), 2);
  (void)get(lost.call<&Gateway::plain>(1));
  outside()[kStarted] = 1;
  ::kill(static_cast<pid_t>(get(gateway.call<[](Gateway&) { return static_cast<int>(::getpid()); }>())), SIGKILL);
  ASSERT_TRUE(await_cell(kStarted, 2));
  open_gate();
  EXPECT_EQ(get(call), 1);

  auto not_repeated = lost.call<&Gateway::naps>(1, 3'600'000);
  ::kill(static_cast<pid_t>(get(lost.call<[](Gateway&) { return static_cast<int>(::getpid()); }>())), SIGKILL);
  EXPECT_EQ(error_of(not_repeated).code(), ErrorCode::unavailable);
  EXPECT_EQ(get(lost.call<&Gateway::plain>(2)), 3);
}

TEST_F(Coroutines, CancelledWhileTheyWait) {
  auto gateway = actor<Gateway>();
  auto shut = shut_gate();
  auto other = gateway.call<&Gateway::ask>(5, shut);
  auto asks = gateway.call<&Gateway::ask>(6, shut);
  auto obeys = gateway.call<&Gateway::obeys>(shut);
  auto naps = gateway.call<&Gateway::naps>(7, 3'600'000);
  ASSERT_TRUE(await_cell(kStarted, 3));
  ASSERT_EQ(get(gateway.call<&Gateway::plain>(1)), 2);
  for (const auto& ref : {asks, obeys, naps}) cancel(ref);
  for (const auto& ref : {asks, obeys, naps}) EXPECT_EQ(error_of(ref).code(), ErrorCode::cancelled);
  EXPECT_EQ(outside()[kStops], 1);
  EXPECT_EQ(get(gateway.call<&Gateway::plain>(1)), 2);
  EXPECT_EQ(outside()[kFrames], 1) << "that of the one that was not cancelled";
  open_gate();
  EXPECT_EQ(get(other), 6);
}

TEST_F(Coroutines, RacingCancels) {
  auto gateway = actor<Gateway>();
  for (int i = 0; i < 1'000; ++i) {
    auto call = gateway.call<&Gateway::naps>(i, i % 2);
    auto none = gateway.call<&Gateway::ask>(i, put(0));
    cancel(call);
    cancel(none);
    const auto result = try_get(call, 30s);
    if (result) {
      ASSERT_EQ(*result, i);
    } else {
      ASSERT_EQ(result.error().code(), ErrorCode::cancelled) << result.error().message();
    }
    (void)try_get(none, 30s);
  }
  EXPECT_EQ(get(gateway.call<&Gateway::plain>(1)), 2);
  EXPECT_EQ(outside()[kFrames], 0);
}

// Its owner is a worker that dies.
int makes_an_actor_and_waits(Ref<int> ref) {
  auto gateway = actor<Gateway>();
  std::vector<Ref<int>> calls;
  for (int i = 0; i < 3; ++i) calls.push_back(gateway.call<&Gateway::ask>(i, ref));
  (void)get(calls);
  return ::getpid();
}
TEST_F(Coroutines, FramesAreDestroyedBeforeTheActor) {
  auto owner = remote<makes_an_actor_and_waits>.options({.num_cpus = 0, .max_retries = 0})(shut_gate());
  ASSERT_TRUE(await_cell(kStarted, 3));
  EXPECT_EQ(outside()[kFrames], 3);
  cancel(owner, {.force = true});
  ASSERT_TRUE(await_cell(kEnded, 1));
  EXPECT_EQ(outside()[kFramesAtEnd], 0);
  const auto process = static_cast<pid_t>(outside()[kProcess]);
  EXPECT_TRUE(support::await_exit(process));
}

TEST_F(Coroutines, TheLastHandleWaitsForTheCalls) {
  Ref<int> call;
  {
    auto gateway = actor<Gateway>();
    call = gateway.call<&Gateway::ask>(1, shut_gate());
    ASSERT_TRUE(await_cell(kStarted, 1));
  }
  EXPECT_EQ(outside()[kEnded], 0);
  open_gate();
  EXPECT_EQ(get(call), 2);
  ASSERT_TRUE(await_cell(kEnded, 1));
}

}  // namespace
}  // namespace manta::e2e
