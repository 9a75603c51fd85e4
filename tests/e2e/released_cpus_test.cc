// Waits in threads that a task or an actor has started: the CPUs of the lease go to others meanwhile.
#include <gtest/gtest.h>

#include <alloca.h>

#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include <manta/manta.h>

#include "tests/e2e/outside.h"

namespace {

using namespace std::chrono_literals;
using manta::Ref;
using manta::e2e::await_cell;
using manta::e2e::outside;

class ReleasedCpus : public testing::Test {
 protected:
  void SetUp() override { outside().clear(); }
};

int leaf(int x) { return x + 1; }

template <class Function>
int in_thread(Function function) {
  int result = 0;
  std::thread thread([&] { result = function(); });
  thread.join();
  return result;
}

// Both CPUs are held before either task waits.
int waits_in_a_thread(int x) {
  ++outside()[0];
  await_cell(0, 2);
  return in_thread([&] { return manta::get(manta::remote<leaf>(x)); });
}

TEST_F(ReleasedCpus, TasksWhoseThreadsWait) {
  const std::vector<Ref<int>> refs{manta::remote<waits_in_a_thread>(1), manta::remote<waits_in_a_thread>(2)};
  EXPECT_EQ(manta::get(refs, 20s), (std::vector<int>{2, 3}));
}

int waits_in_two_threads(int x) {
  ++outside()[0];
  await_cell(0, 2);
  return in_thread([&] {
    int other = 0;
    std::thread thread([&] { other = manta::get(manta::remote<leaf>(10 * x)); });
    const int mine = manta::get(manta::remote<leaf>(x));
    thread.join();
    return mine + other;
  });
}

TEST_F(ReleasedCpus, TasksWithSeveralThreadsThatWait) {
  const std::vector<Ref<int>> refs{manta::remote<waits_in_two_threads>(1), manta::remote<waits_in_two_threads>(2)};
  EXPECT_EQ(manta::get(refs, 20s), (std::vector<int>{13, 24}));
}

// Rights are submitted after the lefts, and lie behind them in the rings.
int gate() { return await_cell(1, 1) ? 1 : 0; }
int right(int x, int) { return x; }
int left(std::vector<Ref<int>> rights) {
  return in_thread([&] { return manta::get(rights.at(0)); });
}

TEST_F(ReleasedCpus, WhatLiesBehindATaskWhoseThreadWaitsIsTakenBack) {
  const Ref<int> opened = manta::remote<gate>.options({.num_cpus = 0})();
  std::vector<Ref<int>> lefts;
  for (int i = 0; i < 12; ++i) lefts.push_back(manta::remote<left>(std::vector{manta::remote<right>(i, opened)}));
  outside()[1] = 1;
  for (int i = 0; i < 12; ++i) EXPECT_EQ(manta::get(lefts[static_cast<std::size_t>(i)], 20s), i);
}

struct Waiter {
  int waits(int x) { return manta::get(manta::remote<leaf>(x)); }
  int thread_waits(int x) {
    return in_thread([&] { return waits(x); });
  }
};

TEST_F(ReleasedCpus, MethodsOfAConcurrentActor) {
  auto one = manta::actor<Waiter>.options({.num_cpus = 1, .max_concurrency = 2})();
  auto two = manta::actor<Waiter>.options({.num_cpus = 1, .max_concurrency = 2})();
  std::vector<Ref<int>> refs;
  for (int i = 0; i < 4; ++i) refs.push_back((i % 2 == 0 ? one : two).call<&Waiter::waits>(i));
  EXPECT_EQ(manta::get(refs, 20s), (std::vector<int>{1, 2, 3, 4}));
}

TEST_F(ReleasedCpus, ThreadsThatMethodsStart) {
  for (const int concurrency : {1, 3}) {
    auto one = manta::actor<Waiter>.options({.num_cpus = 1, .max_concurrency = concurrency})();
    auto two = manta::actor<Waiter>.options({.num_cpus = 1, .max_concurrency = concurrency})();
    const std::vector<Ref<int>> refs{one.call<&Waiter::thread_waits>(1), two.call<&Waiter::thread_waits>(2)};
    EXPECT_EQ(manta::get(refs, 20s), (std::vector<int>{2, 3}));
  }
}

struct Prefetcher {
  std::thread thread;
  int fetched = 0;
  Prefetcher() : thread([this] { fetched = manta::get(manta::remote<leaf>(6)); }) {}
  ~Prefetcher() {
    if (thread.joinable()) thread.join();
  }
  int result() {
    thread.join();
    return fetched;
  }
};

TEST_F(ReleasedCpus, AThreadThatAConstructorStarts) {
  auto one = manta::actor<Prefetcher>.options({.num_cpus = 1})();
  auto two = manta::actor<Prefetcher>.options({.num_cpus = 1})();
  const std::vector<Ref<int>> refs{one.call<&Prefetcher::result>(), two.call<&Prefetcher::result>()};
  EXPECT_EQ(manta::get(refs, 20s), (std::vector<int>{7, 7}));
}

// A thread that still waits when its task has ended releases no CPUs of later tasks.
int leaves_a_thread_behind() {
  std::thread([] {
    const Ref<int> opened = manta::remote<gate>.options({.num_cpus = 0})();
    (void)manta::get(opened);
    ++outside()[3];
  }).detach();
  return static_cast<int>(::getpid());
}
int counted(std::size_t cell) {
  const manta::e2e::Gauge gauge(cell);
  for (int i = 0; i < 50; ++i) std::this_thread::yield();
  const auto end = std::chrono::steady_clock::now() + 100us;
  while (std::chrono::steady_clock::now() < end) {
  }
  return 1;
}

TEST_F(ReleasedCpus, EndsWithTheTask) {
  (void)manta::get(manta::remote<leaves_a_thread_behind>());
  const auto count = [](std::size_t cell) {
    std::vector<Ref<int>> refs;
    for (int i = 0; i < 200; ++i) refs.push_back(manta::remote<counted>(cell));
    (void)manta::get(refs, 20s);
  };
  // The thread may begin its wait under one of these; the node asks the CPU back after a turn of 50 ms.
  const auto settled = std::chrono::steady_clock::now() + 300ms;
  while (std::chrono::steady_clock::now() < settled) count(12);
  count(10);
  EXPECT_LE(manta::e2e::Gauge::highest(10), 2);
  outside()[1] = 1;
  EXPECT_TRUE(await_cell(3, 1));
}

// --- the stack of a task that waits

int uses_stack(int mebibytes, int child_mebibytes) {
  const auto bytes = static_cast<std::size_t>(mebibytes) << 20;
  auto* memory = static_cast<volatile char*>(alloca(bytes));
  for (std::size_t i = 0; i < bytes; i += 4096) memory[i] = 1;
  if (child_mebibytes == 0) return memory[0];
  return memory[bytes - 4096] + manta::get(manta::remote<uses_stack>.options({.max_retries = 0})(child_mebibytes, 0));
}

TEST_F(ReleasedCpus, ATaskHasTheStackThatItWouldHaveAlone) {
  for (const auto& [parent, child] : {std::pair{3, 6}, {6, 3}, {1, 7}, {7, 7}}) {
    const auto result = manta::try_get(manta::remote<uses_stack>.options({.max_retries = 0})(parent, child));
    EXPECT_TRUE(result) << parent << " and " << child << ": " << result.error().what();
  }
}

}  // namespace
