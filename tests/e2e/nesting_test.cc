// Tasks that submit tasks and wait for them: nothing may be stuck for want of CPUs or processes.
#include <gtest/gtest.h>

#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

#include <manta/manta.h>

#include "tests/e2e/outside.h"

namespace {

using manta::Ref;
using manta::e2e::await_cell;
using manta::e2e::outside;

// Each worker of a sanitizer build takes 13 MB and more.
constexpr int kPairs = manta::e2e::slowness() > 1 ? 60 : 1000;

class Nesting : public testing::Test {
 protected:
  void SetUp() override { outside().clear(); }
};

int depth(int n) { return n == 0 ? 0 : 1 + manta::get(manta::remote<depth>(n - 1)); }

TEST_F(Nesting, RecursionOfDepthOneThousand) { EXPECT_EQ(manta::get(manta::remote<depth>(1000)), 1000); }

TEST_F(Nesting, SeveralRecursionsAtOnce) {
  std::vector<Ref<int>> refs;
  for (int i = 0; i < 4; ++i) refs.push_back(manta::remote<depth>(100 + i));
  EXPECT_EQ(manta::get(refs), (std::vector<int>{100, 101, 102, 103}));
}

// Needs more CPUs than its parent holds, so that it cannot run in the parent's process: a process for each level.
int deep_elsewhere(int n) {
  if (n == 0) return 0;
  return 1 + manta::get(manta::remote<deep_elsewhere>.options({.num_cpus = n % 2 == 0 ? 1.0 : 1.5})(n - 1));
}

TEST_F(Nesting, RecursionThroughProcesses) { EXPECT_EQ(manta::get(manta::remote<deep_elsewhere>(40)), 40); }

int fibonacci(int n) {
  if (n < 2) return n;
  auto a = manta::remote<fibonacci>(n - 1);
  auto b = manta::remote<fibonacci>(n - 2);
  return manta::get(a) + manta::get(b);
}

TEST_F(Nesting, Fibonacci) { EXPECT_EQ(manta::get(manta::remote<fibonacci>(16)), 987); }

int leaves(int levels, int fan) {
  if (levels == 0) return 1;
  std::vector<Ref<int>> children;
  for (int i = 0; i < fan; ++i) children.push_back(manta::remote<leaves>(levels - 1, fan));
  int total = 0;
  for (auto& child : manta::as_completed(children)) total += manta::get(child);
  return total;
}

TEST_F(Nesting, FanOutTrees) {
  EXPECT_EQ(manta::get(manta::remote<leaves>(4, 6)), 6 * 6 * 6 * 6);
  EXPECT_EQ(manta::get(manta::remote<leaves>(1, 2000)), 2000);
}

// Rights can run only once all lefts were submitted (their gate), so lefts have to give their CPUs away while they
// wait. (A right must not wait for its left by other means than Manta's: nothing promises that lefts start first.)
int gate(int cell) {
  await_cell(static_cast<std::size_t>(cell), 1, std::chrono::seconds(100));
  return 1;
}
int right(int index, int) { return index; }
int left(std::vector<Ref<int>> rights) { return manta::get(rights.at(0)); }

TEST_F(Nesting, ThousandWaitingPairsOnTwoCpus) {
  constexpr int kGate = 5000;
  auto opened = manta::remote<gate>(kGate);
  std::vector<Ref<int>> lefts;
  for (int i = 0; i < kPairs; ++i) lefts.push_back(manta::remote<left>(std::vector{manta::remote<right>(i, opened)}));
  outside()[kGate] = 1;
  for (int i = 0; i < kPairs; ++i) ASSERT_EQ(manta::get(lefts[static_cast<std::size_t>(i)]), i);
}

// The same, but no right can run before every left has started: that many processes wait at once.
int counted_left(std::vector<Ref<int>> rights) {
  ++outside()[0];
  return manta::get(rights.at(0));
}

TEST_F(Nesting, EveryLeftHasStartedBeforeTheFirstRight) {
  const char* zygote = std::getenv("MANTA_ZYGOTE");
  const bool cheap = manta::e2e::slowness() == 1 && (zygote == nullptr || std::string(zygote) == "fork");
  const int pairs = cheap ? 1000 : 60;
  // The gate needs no CPU: it only waits.
  auto opened = manta::remote<gate>.options({.num_cpus = 0})(5001);
  std::vector<Ref<int>> lefts;
  for (int i = 0; i < pairs; ++i)
    lefts.push_back(manta::remote<counted_left>(std::vector{manta::remote<right>(i, opened)}));
  EXPECT_TRUE(await_cell(0, pairs, std::chrono::seconds(60))) << outside()[0] << " have started";
  outside()[5001] = 1;
  for (int i = 0; i < pairs; ++i) ASSERT_EQ(manta::get(lefts[static_cast<std::size_t>(i)]), i);
}

// A left waits for its own right and for that of the next pair: chains of waiting through all of them.
int later_left(std::vector<Ref<int>> rights) { return manta::get(rights.at(0)) + manta::get(rights.at(1)); }
int plus_one(int x) { return x + 1; }

TEST_F(Nesting, LeftsThatWaitForEachOther) {
  auto opened = manta::remote<gate>(6000);
  std::vector<Ref<int>> chain{manta::remote<plus_one>(opened)};
  for (int i = 0; i < 50; ++i) chain.push_back(manta::remote<later_left>(std::vector{chain.back(), chain.front()}));
  outside()[6000] = 1;
  EXPECT_EQ(manta::get(chain.back()), 2 + 50 * 2);
}

long join(long a, long b) { return (a + b) % 1'000'003; }

TEST_F(Nesting, DiamondsOfTenThousandTasks) {
  constexpr std::size_t kLayers = 100, kWidth = 100;
  std::vector<Ref<long>> layer;
  std::vector<long> expected(kWidth);
  for (std::size_t i = 0; i < kWidth; ++i) {
    expected[i] = static_cast<long>(i);
    layer.push_back(manta::put(expected[i]));
  }
  for (std::size_t l = 1; l <= kLayers; ++l) {
    std::vector<Ref<long>> next;
    std::vector<long> values;
    for (std::size_t i = 0; i < kWidth; ++i) {
      const std::size_t other = (i * 7 + l) % kWidth;
      next.push_back(manta::remote<join>(layer[i], layer[other]));
      values.push_back(join(expected[i], expected[other]));
    }
    layer = std::move(next);
    expected = std::move(values);
  }
  EXPECT_EQ(manta::get(layer), expected);
}

long chain_of(int n) {
  Ref<long> last = manta::put(0L);
  for (int i = 0; i < n; ++i) last = manta::remote<join>(last, 1L);
  return manta::get(last);
}

TEST_F(Nesting, ChainsInsideTasks) {
  std::vector<Ref<long>> chains;
  for (int i = 0; i < 4; ++i) chains.push_back(manta::remote<chain_of>(1000));
  for (auto& chain : chains) EXPECT_EQ(manta::get(chain), 1000);
}

// The tree's inner nodes pass refs up instead of waiting; only the driver waits.
Ref<long> tree_sum(int low, int high) {
  if (high - low == 1) return manta::put(static_cast<long>(low));
  const int middle = (low + high) / 2;
  auto a = manta::remote<tree_sum>(low, middle);
  auto b = manta::remote<tree_sum>(middle, high);
  return manta::remote<join>(manta::get(a), manta::get(b));
}

TEST_F(Nesting, RefsHandedUpATree) {
  EXPECT_EQ(manta::get(manta::get(manta::remote<tree_sum>(0, 256))), 255 * 256 / 2);
}

int waits_with_limit() {
  auto slow = manta::remote<gate>(7000);
  int gave_up = 0;
  while (!manta::try_get(slow, std::chrono::milliseconds(2))) {
    if (++gave_up == 5) outside()[7000] = 1;
  }
  return gave_up >= 5;
}

TEST_F(Nesting, WaitsWithALimitInsideTasks) { EXPECT_EQ(manta::get(manta::remote<waits_with_limit>()), 1); }

}  // namespace
