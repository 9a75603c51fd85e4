// Streams and coroutines across nodes: items in order, flow control, remote coroutine actors, a host that dies.
#include <signal.h>
#include <unistd.h>

#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/cluster_member.h"
#include "tests/e2e/outside.h"

namespace manta::e2e {
namespace {

using namespace std::chrono_literals;

enum : std::size_t { kMade = 400, kGate, kWaiting };

using Numbers = std::vector<int>;

Generator<std::string> where(int n) {
  for (int i = 0; i < n; ++i) {
    ++outside()[kMade];
    const std::string item = node_name() + " " + std::to_string(i);
    co_yield item;
  }
}
Generator<Numbers> large(int n) {
  for (int i = 0; i < n; ++i) {
    const Numbers item(100'000, i);
    co_yield item;
  }
}
Generator<int> counts(int n) {
  for (int i = 0; i < n; ++i) {
    ++outside()[kMade];
    co_yield i;
  }
}
int sum_of(const Numbers& numbers) { return std::accumulate(numbers.begin(), numbers.end(), 0); }
int gate() { return await_cell(kGate, 1) ? 1 : 0; }

struct Gateway {
  Task<std::string> ask(int x, Ref<int> ref) {
    ++outside()[kWaiting];
    const int value = co_await ref;
    co_return node_name() + " " + std::to_string(x + value);
  }
  Generator<int> from(int first) {
    for (int i = first;; ++i) co_yield i;
  }
};

class ClusterStreams : public ClusterTest {
 protected:
  void SetUp() override {
    ClusterTest::SetUp();
    start(2);
    second_ = &join("second", 2);
  }
  TaskOptions there(std::uint32_t ahead = 256) { return {.node = id_of("second"), .stream_buffer = ahead}; }
  Session* second_ = nullptr;
};

TEST_F(ClusterStreams, ItemsComeInOrderFromThere) {
  int i = 0;
  for (const std::string& item : remote<where>.options(there())(2'000)) {
    ASSERT_EQ(item, "second " + std::to_string(i++));
  }
  EXPECT_EQ(i, 2'000);
}

TEST_F(ClusterStreams, LargeItemsToo) {
  int i = 0;
  for (const Numbers& item : remote<large>.options(there(4))(20)) ASSERT_EQ(item, Numbers(100'000, i++));
  EXPECT_EQ(i, 20);
  auto stream = remote<large>.options(there())(3);
  std::vector<Ref<int>> sums;  // of items that the driver has not read, on both nodes
  while (auto item = stream.next_ref()) {
    sums.push_back(remote<sum_of>.options({.node = NodeId{1}})(*item));
    sums.push_back(remote<sum_of>.options(there())(*item));
  }
  EXPECT_EQ(get(sums), (Numbers{0, 0, 100'000, 100'000, 200'000, 200'000}));
}

TEST_F(ClusterStreams, TheGeneratorIsNoFurtherAheadThanAllowed) {
  auto stream = remote<counts>.options(there(5))(1'000);
  EXPECT_EQ(stream.next(), 0);
  std::this_thread::sleep_for(50ms);
  EXPECT_LE(outside()[kMade], 7);
  for (int i = 1; i < 1'000; ++i) ASSERT_EQ(stream.next(), i);
  EXPECT_EQ(stream.next(), std::nullopt);
}

TEST_F(ClusterStreams, ADroppedOneEndsThere) {
  {
    auto stream = remote<counts>.options(there(2))(1'000'000);
    EXPECT_EQ(stream.next(), 0);
  }
  outside()[kGate] = 1;
  std::vector<Ref<int>> all;
  for (int i = 0; i < 2; ++i) all.push_back(remote<gate>.options({.num_cpus = 2, .node = id_of("second")})());
  EXPECT_EQ(get(all), (Numbers{1, 1})) << "its CPUs are free again";
}

TEST_F(ClusterStreams, ComeAgainFromElsewhereWhenTheHostDies) {
  TaskOptions options = there(3);
  options.node_soft = true;
  options.max_retries = -1;
  auto stream = remote<counts>.options(options)(100);
  for (int i = 0; i < 10; ++i) ASSERT_EQ(stream.next(), i);
  ::kill(second_->driver(), SIGKILL);
  for (int i = 10; i < 100; ++i) ASSERT_EQ(stream.next(), i);
  EXPECT_EQ(stream.next(), std::nullopt);
}

TEST_F(ClusterStreams, CoroutineActorsLiveThere) {
  const auto gateway = actor<Gateway>.options({.node = id_of("second")})();
  const auto shut = remote<gate>.options({.node = NodeId{1}})();
  std::vector<Ref<std::string>> asked;
  for (int x = 0; x < 50; ++x) asked.push_back(gateway.call<&Gateway::ask>(x, shut));
  ASSERT_TRUE(await_cell(kWaiting, 50)) << "all wait at the same time";
  outside()[kGate] = 1;
  for (int x = 0; x < 50; ++x) EXPECT_EQ(get(asked[static_cast<std::size_t>(x)]), "second " + std::to_string(x + 1));
  auto numbers = gateway.options({.stream_buffer = 10}).call<&Gateway::from>(7);
  for (int i = 7; i < 300; ++i) ASSERT_EQ(numbers.next(), i);
}

}  // namespace
}  // namespace manta::e2e
