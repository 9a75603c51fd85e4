// get with a limit, wait, as_completed, and many threads of one program at once.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <manta/manta.h>

#include "tests/e2e/outside.h"

namespace {

using namespace std::chrono_literals;
using manta::Ref;
using manta::e2e::await_cell;
using manta::e2e::outside;

int square(int x) { return x * x; }
int when_open(int cell, int value) {
  ++outside()[0];
  if (!await_cell(static_cast<std::size_t>(cell), 1)) throw std::runtime_error("gate never opened");
  return value;
}
int fails_when_open(int cell) {
  await_cell(static_cast<std::size_t>(cell), 1);
  throw std::runtime_error("failed");
}

class Waiting : public testing::Test {
 protected:
  void SetUp() override { outside().clear(); }
  static void open(int cell) { outside()[static_cast<std::size_t>(cell)] = 1; }
};

TEST_F(Waiting, GetGivesUpInTimeAndCanBeRepeated) {
  auto ref = manta::remote<when_open>(1, 5);
  const auto start = std::chrono::steady_clock::now();
  try {
    (void)manta::get(ref, 50ms);
    FAIL() << "no deadline";
  } catch (const manta::Error& error) {
    EXPECT_EQ(error.code(), manta::ErrorCode::deadline);
    EXPECT_STREQ(error.what(),
                 "the time given to get() was over before the value was there: task when_open: it runs; the work goes "
                 "on, and get() may be called "
                 "again");
  }
  const auto took = std::chrono::steady_clock::now() - start;
  EXPECT_GE(took, 50ms);
  EXPECT_LT(took, 2s);
  EXPECT_EQ(manta::try_get(ref, 0s).error().code(), manta::ErrorCode::deadline);
  EXPECT_EQ(manta::try_get(ref, 1ms).error().code(), manta::ErrorCode::deadline);
  open(1);
  EXPECT_EQ(manta::get(ref, 20s), 5);
  EXPECT_EQ(manta::try_get(ref, 0s).value(), 5);
}

TEST_F(Waiting, GetOfManySaysHowManyWereThere) {
  std::vector<Ref<int>> refs{manta::remote<square>(3), manta::remote<when_open>(1, 5)};
  (void)manta::get(refs[0]);
  try {
    (void)manta::get(refs, 30ms);
    FAIL() << "no deadline";
  } catch (const manta::Error& error) {
    EXPECT_STREQ(error.what(),
                 "the time given to get() was over before the value was there (1 of 2 were): task when_open: it runs; "
                 "the work goes on, and get() "
                 "may be called again");
  }
  open(1);
  EXPECT_EQ(manta::get(refs), (std::vector<int>{9, 5}));
}

TEST_F(Waiting, WaitBringsReadyOnesToTheFront) {
  std::vector<Ref<int>> refs{manta::remote<when_open>(1, 1), manta::put(2), manta::put(3)};
  const auto slow = refs[0];
  EXPECT_EQ(manta::wait(refs, {.count = 2}), 2U);
  EXPECT_EQ(manta::get(refs[0]), 2);
  EXPECT_EQ(manta::get(refs[1]), 3);
  EXPECT_EQ(refs[2], slow);
  EXPECT_EQ(manta::wait(refs, {.count = 3, .timeout = 20ms}), 2U);
  EXPECT_EQ(manta::wait(refs, {.count = 3, .timeout = 0ms}), 2U);
  open(1);
  EXPECT_EQ(manta::wait(refs, {.count = 99}), 3U);
  std::vector<Ref<int>> none;
  EXPECT_EQ(manta::wait(none), 0U);
}

TEST_F(Waiting, ErrorsAreReady) {
  std::vector<Ref<int>> refs{manta::remote<when_open>(1, 1), manta::remote<fails_when_open>(2)};
  open(2);
  EXPECT_EQ(manta::wait(refs, {.count = 1}), 1U);
  EXPECT_THROW((void)manta::get(refs[0]), manta::TaskError);
  open(1);
  EXPECT_EQ(manta::get(refs[1]), 1);
}

TEST_F(Waiting, OneByOne) {
  std::vector<Ref<int>> refs;
  long expected = 0;
  for (int i = 0; i < 1000; ++i) {
    refs.push_back(manta::remote<square>(i));
    expected += long{i} * i;
  }
  long total = 0;
  while (!refs.empty()) {
    ASSERT_EQ(manta::wait(refs, {.count = 1}), 1U);
    total += manta::get(refs.front());
    refs.erase(refs.begin());
  }
  EXPECT_EQ(total, expected);
}

TEST_F(Waiting, AsCompletedFollowsTheOrderOfCompletion) {
  std::vector<Ref<int>> refs{manta::remote<when_open>(1, 1), manta::remote<when_open>(2, 2), manta::put(3)};
  std::vector<int> order;
  for (auto& ref : manta::as_completed(refs)) {
    order.push_back(manta::get(ref));
    open(3 - static_cast<int>(order.size()));  // after the put value: task 2, then task 1
  }
  EXPECT_EQ(order, (std::vector<int>{3, 2, 1}));
}

TEST_F(Waiting, AsCompletedGivesEachOnce) {
  std::vector<Ref<int>> refs;
  for (int i = 0; i < 2000; ++i) refs.push_back(manta::remote<square>(i));
  refs.push_back(refs[7]);
  std::multiset<int> seen;
  for (auto& ref : manta::as_completed(refs)) seen.insert(manta::get(ref));
  EXPECT_EQ(seen.size(), 2001U);
  EXPECT_EQ(seen.count(49), 2U);
  EXPECT_EQ(seen.count(1999 * 1999), 1U);
}

TEST_F(Waiting, AsCompletedLeftHalfWay) {
  std::vector<Ref<int>> refs{manta::remote<square>(2), manta::remote<when_open>(1, 1)};
  for (auto& ref : manta::as_completed(refs)) {
    EXPECT_EQ(manta::get(ref), 4);
    break;
  }
  open(1);
  EXPECT_EQ(manta::get(refs[1]), 1);
}

TEST_F(Waiting, ManyThreadsSubmitAndGet) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([t, &wrong] {
      for (int round = 0; round < 20; ++round) {
        std::vector<Ref<int>> refs;
        for (int i = 0; i < 50; ++i) refs.push_back(manta::remote<square>(t * 1000 + i));
        if (round % 3 == 0) {
          std::size_t n = 0;
          for (auto& ref : manta::as_completed(refs)) n += manta::get(ref) >= 0;
          wrong += n != refs.size();
        } else if (round % 3 == 1) {
          wrong += manta::wait(refs, {.count = 50}) != 50;
        }
        for (int i = 0; i < 50; ++i) {
          const int x = t * 1000 + i;
          if (round % 3 != 1) wrong += manta::get(refs[static_cast<std::size_t>(i)]) != x * x;
        }
        wrong += manta::get(manta::remote<square>(round)) != round * round;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(Waiting, ManyThreadsForOneRef) {
  auto ref = manta::remote<when_open>(1, 7);
  std::vector<std::thread> threads;
  std::atomic<int> total{0};
  for (int t = 0; t < 12; ++t) {
    threads.emplace_back([ref, t, &total] {
      if (t % 2 == 0) {
        total += manta::get(ref);
      } else {
        std::vector<Ref<int>> one{ref};
        manta::wait(one);
        total += manta::get(one[0]);
      }
    });
  }
  EXPECT_TRUE(await_cell(0, 1));
  open(1);
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(total, 12 * 7);
}

// A thread that waits for something slow must not keep another from its quick results, nor lose its own.
TEST_F(Waiting, SlowAndQuickWaitersShareTheDraining) {
  auto slow = manta::remote<when_open>(1, 3);
  std::atomic<int> value{0};
  std::thread waiter([&] { value = manta::get(slow); });
  for (int i = 0; i < 2000; ++i) ASSERT_EQ(manta::get(manta::remote<square>(i)), i * i);
  EXPECT_EQ(value, 0);
  open(1);
  waiter.join();
  EXPECT_EQ(value, 3);
}

// A thread that was the one to drain leaves, and touches Manta no more: the one that sleeps must hear of its result.
TEST_F(Waiting, AThreadThatLeavesHandsTheDrainingOver) {
  for (int round = 0; round < 150; ++round) {
    outside().clear();
    auto slow = manta::remote<when_open>(1, round);
    ASSERT_TRUE(await_cell(0, 1));
    std::atomic<int> got{-1};
    std::thread waiter([&] { got = manta::get(slow); });
    std::this_thread::sleep_for(1ms);  // most likely it sleeps by now; it must also work if not
    for (int i = 0; i <= round % 7; ++i) {
      std::vector<Ref<int>> quick;
      for (int j = 0; j < 3; ++j) quick.push_back(manta::remote<square>(j));
      for (int j = 0; j < 3; ++j) EXPECT_EQ(manta::get(quick[static_cast<std::size_t>(j)]), j * j);
    }
    open(1);
    const auto limit = std::chrono::steady_clock::now() + 5s * manta::e2e::slowness();
    while (got < 0 && std::chrono::steady_clock::now() < limit) std::this_thread::sleep_for(100us);
    const bool heard = got == round;
    EXPECT_TRUE(heard) << "in round " << round;
    if (!heard) (void)manta::get(manta::remote<square>(1));  // wakes it
    waiter.join();
    if (!heard) break;
  }
}

TEST_F(Waiting, ResultsComeInWhileNoThreadWaits) {
  std::vector<Ref<int>> refs;
  for (int i = 0; i < 5000; ++i) refs.push_back(manta::remote<square>(i));
  const auto limit = std::chrono::steady_clock::now() + 20s * manta::e2e::slowness();
  while (!refs.back().ready() && std::chrono::steady_clock::now() < limit) std::this_thread::sleep_for(1ms);
  EXPECT_TRUE(refs.back().ready());
}

}  // namespace
