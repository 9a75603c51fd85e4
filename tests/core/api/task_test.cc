// Coroutines by themselves: order, exceptions, frames. Objects are the fake runtime's.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <manta/manta.h>

#include "tests/core/api/fake_runtime.h"

namespace {

using namespace std::chrono_literals;
using manta::ErrorCode;
using manta::Ref;
using manta::Task;

int twice(int x) { return 2 * x; }
int refuse(int) { throw std::out_of_range("refused"); }

std::vector<std::string>& journal() {
  static std::vector<std::string> lines;
  return lines;
}

struct Noted {
  explicit Noted(std::string n) : name(std::move(n)) { journal().push_back("+" + name); }
  ~Noted() { journal().push_back("-" + name); }
  Noted(const Noted&) = delete;
  std::string name;
};

Task<int> value(int x) { co_return x; }
Task<int> add(int a, int b) {
  auto first = value(a);
  auto second = value(b);
  const int sum = co_await first + co_await second;
  co_return sum;
}
Task<void> nothing() { co_return; }

TEST(TaskTest, ReturnsValues) {
  EXPECT_EQ(manta::get(value(3)), 3);
  EXPECT_EQ(manta::get(add(3, 4)), 7);
  manta::get(nothing());
  struct Big {
    std::string text;
    std::unique_ptr<int> number;
  };
  const auto big = manta::get([]() -> Task<Big> { co_return Big{"text", std::make_unique<int>(5)}; }());
  EXPECT_EQ(big.text, "text");
  EXPECT_EQ(*big.number, 5);
}

TEST(TaskTest, IsLazyAndEndsInsideOut) {
  journal().clear();
  const auto inner = []() -> Task<int> {
    const Noted noted("inner");
    co_return 1;
  };
  const auto outer = [&]() -> Task<int> {
    const Noted noted("outer");
    auto child = inner();
    journal().push_back("made");
    const int result = co_await child;
    EXPECT_FALSE(child);
    co_return result;
  };
  auto task = outer();
  EXPECT_TRUE(journal().empty());
  EXPECT_EQ(manta::get(std::move(task)), 1);
  EXPECT_EQ(journal(), (std::vector<std::string>{"+outer", "made", "+inner", "-inner", "-outer"}));
  journal().clear();
  { [[maybe_unused]] const auto dropped = outer(); }
  EXPECT_TRUE(journal().empty());
}

Task<int> failing(int depth) {
  if (depth == 0) throw std::out_of_range("deep");
  auto child = failing(depth - 1);
  co_return co_await child;
}
TEST(TaskTest, ExceptionsPassThrough) {
  EXPECT_THROW((void)manta::get(failing(0)), std::out_of_range);
  EXPECT_THROW((void)manta::get(failing(20)), std::out_of_range);
  const auto catching = []() -> Task<std::string> {
    auto child = failing(3);
    try {
      (void)co_await child;
    } catch (const std::out_of_range& error) {
      co_return error.what();
    }
    co_return "";
  };
  EXPECT_EQ(manta::get(catching()), "deep");
}

TEST(TaskTest, RunsOnce) {
  const auto again = []() -> Task<int> {
    auto child = value(1);
    (void)co_await child;
    co_return co_await child;
  };
  try {
    (void)manta::get(again());
    FAIL();
  } catch (const manta::Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  }
  EXPECT_THROW((void)manta::get(Task<int>()), manta::Error);
}

Task<long> deep(long levels) {
  if (levels == 0) co_return 0;
  auto child = deep(levels - 1);
  co_return 1 + co_await child;
}
Task<long> many(long n) {
  long sum = 0;
  for (long i = 0; i < n; ++i) {
    auto child = value(1);
    sum += co_await child;
  }
  co_return sum;
}
TEST(TaskTest, AwaitsCostNoStack) {
  EXPECT_EQ(manta::get(many(1'000'000)), 1'000'000);
  EXPECT_EQ(manta::get(deep(1'000'000)), 1'000'000);
}

TEST(TaskTest, AwaitsObjects) {
  const auto sum = [](Ref<int> a, Ref<int> b) -> Task<int> { co_return co_await a + co_await b; };
  EXPECT_EQ(manta::get(sum(manta::remote<twice>(1), manta::remote<twice>(2))), 6);
  const manta::testing::HoldTasks hold;
  EXPECT_EQ(manta::get(sum(manta::remote<twice>(3), manta::remote<twice>(4))), 14);
  const auto all = [](std::vector<Ref<int>> refs) -> Task<int> {
    auto together = manta::when_all(std::move(refs));
    int total = 0;
    for (const int each : co_await together) total += each;
    co_return total;
  };
  std::vector<Ref<int>> refs;
  for (int i = 0; i < 5; ++i) refs.push_back(manta::remote<twice>(i));
  EXPECT_EQ(manta::get(all(refs)), 20);
}

TEST(TaskTest, ThrowsTheErrorOfAnObject) {
  const auto await_it = [](Ref<int> ref) -> Task<int> { co_return co_await ref; };
  EXPECT_THROW((void)manta::get(await_it(manta::remote<refuse>(1))), manta::Error);
  EXPECT_THROW((void)manta::get(await_it(Ref<int>())), manta::Error);
}

TEST(TaskTest, SleepsAndTakesTurns) {
  journal().clear();
  const auto worker = [](std::string name, bool sleeps) -> Task<int> {
    for (int i = 0; i < 2; ++i) {
      journal().push_back(name + std::to_string(i));
      if (sleeps) co_await manta::sleep_for(2ms);
      co_await manta::yield();
    }
    co_return 1;
  };
  const auto all = [&]() -> Task<int> {
    std::vector<Task<int>> tasks;
    tasks.push_back(worker("a", false));
    tasks.push_back(worker("b", false));
    int sum = 0;
    for (const int each : co_await manta::when_all(tasks)) sum += each;
    co_return sum;
  };
  EXPECT_EQ(manta::get(all()), 2);
  EXPECT_EQ(journal(), (std::vector<std::string>{"a0", "b0", "a1", "b1"}));
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(manta::get(worker("c", true)), 1);
  EXPECT_GE(std::chrono::steady_clock::now() - start, 4ms);
}

TEST(TaskTest, OfManyThatAreAwaitedTogetherTheFirstFailureIsThrownLast) {
  int ended = 0;
  const auto one = [&](int fail, std::chrono::milliseconds time) -> Task<void> {
    co_await manta::sleep_for(time);
    ++ended;
    if (fail == 1) throw std::out_of_range("first");
    if (fail == 2) throw std::runtime_error("second");
  };
  const auto all = [&]() -> Task<void> {
    std::vector<Task<void>> tasks;
    tasks.push_back(one(0, 2ms));
    tasks.push_back(one(1, 1ms));
    tasks.push_back(one(2, 0ms));
    co_await manta::when_all(tasks);
  };
  EXPECT_THROW(manta::get(all()), std::out_of_range);
  EXPECT_EQ(ended, 3);
}

TEST(TaskTest, SuspendedFramesAreDestroyed) {
  class Never final : public manta::detail::Resumer {
   public:
    bool wait_for(manta::detail::Await&) override { return true; }
    void wait_until(manta::detail::Await&, manta::detail::Deadline) override {}
    void forget(manta::detail::Await&) noexcept override { ++forgotten; }
    int forgotten = 0;
  };
  journal().clear();
  const auto leaf = []() -> Task<void> {
    const Noted noted("leaf");
    co_await manta::sleep_for(1h);
  };
  const auto root = [&]() -> Task<void> {
    const Noted noted("root");
    auto child = leaf();
    co_await child;
  };
  Never never;
  {
    manta::detail::TaskRun<void> run(root());
    run.start(never);
    EXPECT_FALSE(run.done());
  }
  EXPECT_EQ(never.forgotten, 1);
  EXPECT_EQ(journal(), (std::vector<std::string>{"+root", "+leaf", "-leaf", "-root"}));
}

TEST(TaskTest, AsAFunctionOfATask) {
  constexpr auto add_refs = [](Ref<int> a, int b) -> Task<int> { co_return co_await a + b; };
  const Ref<int> sum = manta::remote<add_refs>(manta::put(1), 2);
  EXPECT_EQ(manta::get(sum), 3);
  constexpr auto by_reference = [](const std::string& text) -> Task<std::string> {
    co_await manta::yield();
    co_return text + "!";
  };
  EXPECT_EQ(manta::get(manta::remote<by_reference>("a text of more than a few letters")),
            "a text of more than a few letters!");
}

}  // namespace
