// Streams: items come once each and in order; a generator stays within its limit, and ends when its stream is dropped.
#include <gtest/gtest.h>

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <manta/manta.h>

#include "tests/e2e/outside.h"

namespace {

using namespace std::chrono_literals;
using manta::ErrorCode;
using manta::Generator;
using manta::Ref;
using manta::Stream;
using manta::e2e::await_cell;
using manta::e2e::outside;

constexpr std::size_t kMade = 8000, kDestroyed = 8001, kProcess = 8002, kRuns = 8003;

class Streams : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::getenv("MANTA_ROLE") != nullptr) return;  // an executed worker on its way to init
    for (std::size_t cell = kMade; cell <= kRuns; ++cell) outside()[cell] = 0;
  }
};

Generator<int> count(int n) {
  for (int i = 0; i < n; ++i) co_yield i;
}

TEST_F(Streams, GiveTheItemsInOrder) {
  std::vector<int> items;
  for (int item : manta::remote<count>(1000)) items.push_back(item);
  std::vector<int> expected(1000);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(items, expected);
}

TEST_F(Streams, EndWithNothing) {
  Stream<int> items = manta::remote<count>(2);
  EXPECT_EQ(items.next(), 0);
  EXPECT_EQ(items.next(), 1);
  EXPECT_EQ(items.next(), std::nullopt);
  EXPECT_EQ(items.next(), std::nullopt);
  Stream<int> none = manta::remote<count>(0);
  EXPECT_EQ(none.next(), std::nullopt);
}

TEST_F(Streams, CarryManyItems) {
  std::int64_t sum = 0;
  int n = 0;
  for (int item : manta::remote<count>(100'000)) sum += item, ++n;
  EXPECT_EQ(n, 100'000);
  EXPECT_EQ(sum, 100'000LL * 99'999 / 2);
}

Generator<int> throws_after(int n) {
  for (int i = 0; i < n; ++i) co_yield i;
  throw std::out_of_range("no more of them");
}

TEST_F(Streams, GiveTheItemsBeforeAnException) {
  Stream<int> items = manta::remote<throws_after>(3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(items.next(), i);
  try {
    (void)items.next();
    FAIL() << "no exception";
  } catch (const manta::TaskError& error) {
    EXPECT_NE(std::string(error.what()).find("no more of them"), std::string::npos);
  }
  EXPECT_THROW((void)items.next(), manta::TaskError);
}

struct Destroyed {
  ~Destroyed() { ++outside()[kDestroyed]; }
};

Generator<int> for_ever() {
  const Destroyed local;
  for (int i = 0;; ++i) {
    outside()[kMade] = i + 1;
    co_yield i;
  }
}

TEST_F(Streams, AreNeverFurtherAheadThanAllowed) {
  {
    Stream<int> items = manta::remote<for_ever>.options({.stream_buffer = 4})();
    ASSERT_TRUE(await_cell(kMade, 4));
    for (int i = 0; i < 200; ++i) {
      EXPECT_LE(outside()[kMade].load(), i + 4);
      ASSERT_EQ(items.next(), i);
    }
    ASSERT_TRUE(await_cell(kMade, 202));
  }
  EXPECT_TRUE(await_cell(kDestroyed, 1));  // it waited at a co_yield
  EXPECT_LE(outside()[kMade].load(), 204);
}

TEST_F(Streams, StopTheirGeneratorWhenTheyAreDropped) {
  {
    Stream<int> items = manta::remote<for_ever>.options({.stream_buffer = 0})();
    EXPECT_EQ(items.next(), 0);
  }
  EXPECT_TRUE(await_cell(kDestroyed, 1));
  (void)manta::remote<for_ever>();  // before an item has come
  EXPECT_EQ(manta::remote<count>(1).next(), 0);
}

TEST_F(Streams, ReleaseTheCpusOfAGeneratorThatWaits) {
  std::vector<Stream<int>> waiting;
  for (int i = 0; i < 6; ++i) waiting.push_back(manta::remote<for_ever>.options({.stream_buffer = 1})());
  for (Stream<int>& items : waiting) EXPECT_EQ(items.next(), 0);  // of 2 CPUs
  EXPECT_EQ(manta::get(manta::remote<[](int x) { return x; }>(3)), 3);
}

Generator<int> dies_once(int n) {
  const std::int64_t run = ++outside()[kRuns];
  outside()[kProcess] = ::getpid();
  for (int i = 0; i < n; ++i) {
    if (i == n / 2 && run == 1) {
      await_cell(kMade, 1);
      ::raise(SIGKILL);
    }
    co_yield i;
  }
}

TEST_F(Streams, GiveItemsOnceWhereTheWorkerDies) {
  Stream<int> items = manta::remote<dies_once>(2000);
  for (int i = 0; i < 10; ++i) ASSERT_EQ(items.next(), i);
  outside()[kMade] = 1;
  for (int i = 10; i < 2000; ++i) ASSERT_EQ(items.next(), i);
  EXPECT_EQ(items.next(), std::nullopt);
  EXPECT_EQ(outside()[kRuns].load(), 2);
}

TEST_F(Streams, FailAfterWhatHasComeWhereNoRetryIsLeft) {
  Stream<int> items = manta::remote<dies_once>.options({.max_retries = 0})(100);
  for (int i = 0; i < 10; ++i) ASSERT_EQ(items.next(), i);
  outside()[kMade] = 1;
  int seen = 10;
  try {
    while (const auto item = items.next()) ASSERT_EQ(*item, seen++);
    FAIL() << "no error";
  } catch (const manta::Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::worker_died);
  }
  EXPECT_LE(seen, 50);
}

Generator<std::vector<std::uint8_t>> large(int n) {
  for (int i = 0; i < n; ++i) {
    std::vector<std::uint8_t> item(4 << 20, static_cast<std::uint8_t>(i));
    co_yield manta::moved(item);
  }
}
int first_of(const std::vector<std::uint8_t>& bytes) { return bytes.front(); }

TEST_F(Streams, CarryLargeItemsAndObjects) {
  Stream<std::vector<std::uint8_t>> items = manta::remote<large>.options({.stream_buffer = 2})(8);
  const auto first = items.next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->size(), 4U << 20);
  std::vector<Ref<int>> firsts;
  while (const auto ref = items.next_ref()) firsts.push_back(manta::remote<first_of>(*ref));
  EXPECT_EQ(manta::get(firsts), (std::vector{1, 2, 3, 4, 5, 6, 7}));
}

TEST_F(Streams, MakeObjectsOfSmallItems) {
  Stream<int> items = manta::remote<count>(3);
  std::vector<Ref<int>> refs;
  while (auto ref = items.next_ref()) refs.push_back(*ref);
  EXPECT_EQ(manta::get(refs), (std::vector{0, 1, 2}));
  EXPECT_EQ(manta::get(manta::remote<[](int x) { return x * 2; }>(refs[2])), 4);
}

Generator<Ref<int>> refs_of(const std::vector<int>& values) {
  for (const int value : values) co_yield manta::put(value);
}

TEST_F(Streams, PassReferencesInsideItems) {
  Stream<Ref<int>> items = manta::remote<refs_of>(std::vector{3, 5, 7});
  int sum = 0;
  while (const auto ref = items.next()) sum += manta::get(*ref);
  EXPECT_EQ(sum, 15);
}

Generator<std::string> parts(const std::string& text, int times) {
  for (int i = 0; i < times; ++i) co_yield text + std::to_string(i);
}

TEST_F(Streams, KeepReferenceParametersUntilTheEnd) {
  Stream<std::string> items = manta::remote<parts>(manta::put(std::string(100, 'x')), 3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(items.next(), std::string(100, 'x') + std::to_string(i));
  EXPECT_EQ(items.next(), std::nullopt);
}

Generator<int> slow(int cell) {
  co_yield 1;
  await_cell(static_cast<std::size_t>(cell), 1);
  co_yield 2;
}

TEST_F(Streams, CanBeAskedWithoutWaiting) {
  Stream<int> items = manta::remote<slow>(static_cast<int>(kMade));
  EXPECT_EQ(items.next(), 1);
  EXPECT_FALSE(items.ready());
  const auto nothing = items.try_next(0ns);
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().code(), ErrorCode::deadline);
  EXPECT_THROW((void)items.next(1ms), manta::Error);
  EXPECT_THROW((void)items.next_ref(1ms), manta::Error);
  outside()[kMade] = 1;
  EXPECT_EQ(items.try_next(), 2);
  EXPECT_EQ(items.next(20s), std::nullopt);
  EXPECT_THROW((void)Stream<int>().next(), manta::Error);
}

TEST_F(Streams, AnyOfSeveralCanBeWaitedFor) {
  std::vector<Stream<int>> streams;
  streams.push_back(manta::remote<slow>(static_cast<int>(kMade)));
  streams.push_back(manta::remote<slow>(static_cast<int>(kProcess)));
  EXPECT_EQ(manta::wait(streams, {.count = 2}), (std::vector<std::size_t>{0, 1}));
  for (Stream<int>& items : streams) EXPECT_EQ(items.next(), 1);
  EXPECT_TRUE(manta::wait(streams, {.timeout = 1ms}).empty());
  outside()[kProcess] = 1;
  EXPECT_EQ(manta::wait(streams), (std::vector<std::size_t>{1}));
  outside()[kMade] = 1;
}

struct Source {
  explicit Source(int start) : next(start) {}
  Generator<int> take(int n) {
    for (int i = 0; i < n; ++i) co_yield next++;
  }
  Generator<int> die_in(int n) {
    const std::int64_t run = ++outside()[kRuns];
    for (int i = 0; i < n; ++i) {
      if (run == 1 && i == n / 2) ::raise(SIGKILL);
      co_yield i;
    }
  }
  Generator<int> endless() {
    const Destroyed local;
    for (;;) {
      ++outside()[kMade];
      co_yield next++;
    }
  }
  int next;
};

TEST_F(Streams, ComeFromMethods) {
  const auto source = manta::actor<Source>(5);
  std::vector<int> items;
  for (int item : source.call<&Source::take>(3)) items.push_back(item);
  for (int item : source.options({.stream_buffer = 1}).call<&Source::take>(3)) items.push_back(item);
  EXPECT_EQ(items, (std::vector{5, 6, 7, 8, 9, 10}));
  {
    Stream<int> endless = source.options({.stream_buffer = 3}).call<&Source::endless>();
    EXPECT_TRUE(await_cell(kMade, 3));
    EXPECT_EQ(endless.next(), 11);
  }
  EXPECT_TRUE(await_cell(kDestroyed, 1));
  EXPECT_LE(outside()[kMade].load(), 4);
}

TEST_F(Streams, OfMethodsAreRepeated) {
  const auto source = manta::actor<Source>.options({.max_restarts = 1, .max_task_retries = 1})(0);
  int expected = 0;
  for (int item : source.options({.stream_buffer = 5}).call<&Source::die_in>(40)) ASSERT_EQ(item, expected++);
  EXPECT_EQ(expected, 40);
}

int sum_of(int n) {
  int sum = 0;
  for (int item : manta::remote<count>.options({.stream_buffer = 8})(n)) sum += item;
  return sum;
}

TEST_F(Streams, AreReadInTasks) {
  std::vector<Ref<int>> sums;
  for (int i = 0; i < 6; ++i) sums.push_back(manta::remote<sum_of>(200));
  EXPECT_EQ(manta::get(sums), std::vector<int>(6, 19'900));
}

struct Row {
  std::string name;
  std::vector<int> cells;
};
Generator<Row> rows(int n) {
  for (int i = 0; i < n; ++i) {
    Row row{"row " + std::to_string(i) + std::string(200, '.'), std::vector<int>(3, i)};
    co_yield row;
    co_yield manta::moved(row);
  }
}

TEST_F(Streams, CarryAggregates) {
  int n = 0;
  for (const Row& row : manta::remote<rows>(50)) {
    EXPECT_EQ(row.cells, std::vector<int>(3, n / 2));
    ++n;
  }
  EXPECT_EQ(n, 100);
}

}  // namespace
