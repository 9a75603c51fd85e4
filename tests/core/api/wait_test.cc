// get with a deadline, wait, as_completed; against the fake runtime.
#include <chrono>
#include <map>
#include <vector>

#include <gtest/gtest.h>

#include <manta/manta.h>

#include "tests/core/api/fake_runtime.h"

namespace manta::testing {
namespace {

using namespace std::chrono_literals;

int same(int x) { return x; }

class Waiting : public ::testing::Test {
 protected:
  ~Waiting() override { EXPECT_EQ(live_entries(), 0u); }

  // Tasks that return 0, 1, ...; the given ones have run.
  static std::vector<Ref<int>> tasks(HoldTasks& hold, int n, const std::vector<std::size_t>& done) {
    std::vector<Ref<int>> refs;
    for (int i = 0; i < n; ++i) refs.push_back(remote<same>(i));
    for (const std::size_t i : done) hold.run(i);
    return refs;
  }
  // What they return, without waiting for anything.
  static std::vector<int> order(const std::vector<Ref<int>>& refs, const std::vector<Ref<int>>& original) {
    std::vector<int> result;
    for (const auto& ref : refs) {
      result.push_back(static_cast<int>(std::find(original.begin(), original.end(), ref) - original.begin()));
    }
    return result;
  }
};

TEST_F(Waiting, GetWithATimeout) {
  HoldTasks hold;
  const Ref<int> ref = remote<same>(3);
  EXPECT_FALSE(ref.ready());
  try {
    (void)get(ref, 1ms);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::deadline);
  }
  const Result<int> late = try_get(ref, 0ns);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), ErrorCode::deadline);
  hold.run(0);
  EXPECT_TRUE(ref.ready());
  EXPECT_EQ(get(ref, 0ns), 3);
  EXPECT_EQ(try_get(ref, -1s).value(), 3);
  EXPECT_EQ(get(ref, std::chrono::nanoseconds::max()), 3);
}

TEST_F(Waiting, GetOfManyWithATimeoutSaysHowFarItCame) {
  HoldTasks hold;
  const auto refs = tasks(hold, 3, {0, 1});
  try {
    (void)get(refs, 1ms);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::deadline);
    EXPECT_NE(error.message().find("2 of 3"), std::string::npos) << error.message();
  }
  EXPECT_EQ(get(refs), (std::vector{0, 1, 2}));
  EXPECT_TRUE(get(std::vector<Ref<int>>{}).empty());
}

TEST_F(Waiting, GetOfWhatIsThereDoesNotEnterTheRuntime) {
  const auto ref = remote<same>(3);
  const std::size_t before = waits();
  EXPECT_EQ(get(ref), 3);
  EXPECT_EQ(get(ref, 5s), 3);
  EXPECT_EQ(waits(), before);
}

TEST_F(Waiting, WaitBringsReadyOnesToTheFrontInOrder) {
  HoldTasks hold;
  auto refs = tasks(hold, 6, {4, 1});
  const auto original = refs;
  EXPECT_EQ(wait(refs, {.count = 2}), 2u);
  EXPECT_EQ(order(refs, original), (std::vector{1, 4, 0, 2, 3, 5}));
}

TEST_F(Waiting, WaitLooksNoFurtherThanItMust) {
  HoldTasks hold;
  auto refs = tasks(hold, 6, {1, 2, 4, 5});
  const auto original = refs;
  EXPECT_EQ(wait(refs, {.count = 2}), 2u);
  EXPECT_EQ(order(refs, original), (std::vector{1, 2, 0, 3, 4, 5}));
  EXPECT_EQ(wait(refs, {.count = 2}), 2u);  // nothing to move
  EXPECT_EQ(order(refs, original), (std::vector{1, 2, 0, 3, 4, 5}));
}

TEST_F(Waiting, WaitBlocksForTheRest) {
  HoldTasks hold;
  auto refs = tasks(hold, 5, {2});
  const auto original = refs;
  EXPECT_EQ(wait(refs, {.count = 2}), 2u);  // the fake completes the last one
  EXPECT_EQ(order(refs, original), (std::vector{2, 4, 0, 1, 3}));
}

TEST_F(Waiting, WaitGivesUpAtTheTimeout) {
  HoldTasks hold;
  auto refs = tasks(hold, 4, {3});
  const auto original = refs;
  EXPECT_EQ(wait(refs, {.count = 2, .timeout = 1ms}), 1u);
  EXPECT_EQ(order(refs, original), (std::vector{3, 0, 1, 2}));
  EXPECT_EQ(wait(refs, {.count = 2, .timeout = 0ms}), 1u);
  EXPECT_EQ(wait(refs, {.count = 2, .timeout = -5ms}), 1u);
}

TEST_F(Waiting, WaitForMoreThanThereAreOrForNone) {
  HoldTasks hold;
  auto refs = tasks(hold, 3, {});
  EXPECT_EQ(wait(refs, {.count = 0}), 0u);
  EXPECT_EQ(wait(refs, {.count = 10}), 3u);
  std::vector<Ref<int>> none;
  EXPECT_EQ(wait(none), 0u);
}

TEST_F(Waiting, WaitOnPartOfAVector) {
  HoldTasks hold;
  auto refs = tasks(hold, 4, {1, 3});
  const auto original = refs;
  EXPECT_EQ(wait(std::span(refs).subspan(2), {.count = 1}), 1u);
  EXPECT_EQ(order(refs, original), (std::vector{0, 1, 3, 2}));
}

TEST_F(Waiting, AnEmptyRefSpoilsNothing) {
  HoldTasks hold;
  auto refs = tasks(hold, 3, {1});
  refs.emplace_back();
  const auto original = refs;
  EXPECT_THROW(wait(refs, {.count = 2}), Error);
  EXPECT_EQ(refs, original);
}

TEST_F(Waiting, OneAtATime) {
  auto refs = [] {
    std::vector<Ref<int>> made;
    for (int i = 0; i < 1000; ++i) made.push_back(remote<same>(i));
    return made;
  }();
  const std::size_t before = waits();
  std::span<Ref<int>> left(refs);
  int sum = 0;
  while (!left.empty()) {
    ASSERT_EQ(wait(left, {.count = 1}), 1u);
    sum += get(left.front());
    left = left.subspan(1);
  }
  EXPECT_EQ(sum, 499'500);
  EXPECT_EQ(waits(), before);
}

TEST_F(Waiting, AsCompletedYieldsEachOnceInOrderOfCompletion) {
  HoldTasks hold;
  auto refs = tasks(hold, 5, {3, 0});
  std::vector<int> seen;
  for (auto& ref : as_completed(refs)) {
    EXPECT_TRUE(ref.ready());
    seen.push_back(get(ref));
    ref = {};  // may be dropped once it was visited
  }
  EXPECT_EQ(seen, (std::vector{3, 0, 4, 2, 1}));
}

TEST_F(Waiting, AsCompletedOfATemporaryAndOfNothing) {
  std::size_t count = 0;
  const auto make = [] { return std::vector{remote<same>(1), remote<same>(2)}; };
  for (auto& ref : as_completed(make())) count += static_cast<std::size_t>(get(ref));
  EXPECT_EQ(count, 3u);
  std::vector<Ref<int>> none;
  for (auto& ref : as_completed(none)) count += ref ? 1 : 0;
  EXPECT_EQ(count, 3u);
}

TEST_F(Waiting, AsCompletedMayBeLeftEarly) {
  HoldTasks hold;
  auto refs = tasks(hold, 3, {});
  for (auto& ref : as_completed(refs)) {
    EXPECT_EQ(get(ref), 2);
    break;
  }
  EXPECT_FALSE(refs[0].ready());
  EXPECT_EQ(get(refs[0]), 0);
  EXPECT_EQ(get(refs[1]), 1);
}

// What other processes own is asked for together, a bounded number ahead, and each once.
TEST_F(Waiting, GetOfManyAsksBeforeItWaits) {
  HoldTasks hold;
  for (const bool in_a_map : {false, true}) {
    const auto refs = tasks(hold, 3000, {});
    const std::size_t waits_before = waits(), asked_before = asked().size();
    if (in_a_map) {
      std::map<int, Ref<int>> by_number;
      for (int i = 0; i < 3000; ++i) by_number.emplace(i, refs[static_cast<std::size_t>(i)]);
      EXPECT_EQ(get(by_number).at(2999), 2999);
    } else {
      EXPECT_EQ(get(refs).back(), 2999);
    }
    ASSERT_GT(asked().size(), asked_before);
    EXPECT_EQ(asked()[asked_before].waits, waits_before) << "before the first is awaited";
    std::size_t all = 0;
    for (std::size_t i = asked_before; i < asked().size(); ++i) {
      all += asked()[i].entries;
      EXPECT_LE(all, asked()[i].waits - waits_before + 1024) << "not too far ahead";
    }
    EXPECT_EQ(all, 3000U);
  }
}

TEST_F(Waiting, AnEmptyRefAmongManyFailsInItsTurn) {
  HoldTasks hold;
  auto refs = tasks(hold, 3, {});
  refs.push_back({});
  const std::size_t before = waits();
  EXPECT_THROW((void)get(refs), Error);
  EXPECT_EQ(waits(), before + 3);
}

void nothing() {}

TEST_F(Waiting, VoidRefs) {
  std::vector<Ref<void>> refs{remote<nothing>(), remote<nothing>()};
  get(refs);
  get(refs[0], 1s);
  EXPECT_EQ(wait(refs, {.count = 2}), 2u);
  for (auto& ref : as_completed(refs)) get(ref);
  EXPECT_TRUE(try_get(refs[0]).has_value());
}

}  // namespace
}  // namespace manta::testing
