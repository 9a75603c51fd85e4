// Messages of any size, and processes that do not read: within a node and between nodes nothing is dropped, and no node
// is lost.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/e2e/cluster_member.h"
#include "tests/e2e/outside.h"

namespace manta::e2e {
namespace {

using namespace std::chrono_literals;

std::size_t size_of(const std::string& text) { return text.size() + static_cast<unsigned char>(text.back()); }
std::string throws_long(std::size_t size) { throw std::runtime_error(std::string(size, 'x')); }
std::vector<Ref<int>> many_refs(std::size_t n) { return std::vector<Ref<int>>(n, put(7)); }
int node_of_task(int) { return static_cast<int>(node_name().size()); }

std::vector<int> throws_vector() { throw std::runtime_error("no vector"); }

struct Keeper {
  std::string where() const { return node_name(); }
  int process() const { return ::getpid(); }
  std::size_t add(const std::string& text) { return total += size_of(text); }
  Task<std::size_t> add_after(const std::string& text, Ref<int> first) {
    total += static_cast<std::size_t>(co_await first);
    co_return total += size_of(text);
  }
  // Objects that this process owns.
  std::vector<Ref<std::vector<int>>> make(int n, int size) const {
    std::vector<Ref<std::vector<int>>> refs;
    for (int i = 0; i < n; ++i) refs.push_back(put(std::vector<int>(static_cast<std::size_t>(size), i)));
    return refs;
  }
  Ref<std::vector<int>> fails() const { return remote<throws_vector>(); }
  std::size_t total = 0;
};
std::string find_long(const std::string& name) {
  const auto found = find_actor<Keeper>(name);
  return found ? get(found->call<&Keeper::where>()) : "nobody";
}
int slow_value(int cell) { return await_cell(static_cast<std::size_t>(cell), 1) ? 1000 : 0; }

class ClusterSizes : public ClusterTest {
 protected:
  TaskOptions there() { return {.num_cpus = 0.01, .node = id_of("second")}; }
};

TEST_F(ClusterSizes, NamesAndGroupsWithinANode) {
  runtime_.emplace(init(argc_of_main, argv_of_main, {.num_cpus = 2, .num_gpus = 0}));
  const std::string name(1'000'000, 'n');
  auto keeper = actor<Keeper>.options({.name = name})();
  EXPECT_EQ(get(remote<find_long>(name)), "head");
  EXPECT_FALSE(find_actor<Keeper>(name + "x"));
  const std::string resource(200'000, 'r');
  auto asks = remote<node_of_task>.options({.resources = {{{resource, 1}}}})(1);
  const auto refused = try_get(asks);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find(resource), std::string::npos) << "it can never run: the error names it";
  const std::string absurd(2 << 20, 'r');
  EXPECT_THROW((void)remote<node_of_task>.options({.resources = {{{absurd, 1}}}})(1), Error);
  const auto begin = std::chrono::steady_clock::now();
  {
    const PlacementGroup group(std::vector<BundleOptions>(10'000, BundleOptions{.num_cpus = 0.0001}),
                               GroupStrategy::pack);
    EXPECT_EQ(get(remote<node_of_task>.options({.num_cpus = 0.0001, .bundle = group.bundle(9'999)})(1)), 4);
  }
  EXPECT_EQ(get(remote<node_of_task>.options({.num_cpus = 2})(1)), 4) << "all is free again";
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s * slowness());
}

TEST_F(ClusterSizes, NamesAndGroupsAcrossNodes) {
  start(1);
  join("second", 1);
  const std::string name(1'000'000, 'n');
  auto keeper = actor<Keeper>.options({.num_cpus = 0, .name = name})();
  EXPECT_EQ(get(remote<find_long>.options(there())(name)), "head");
  const PlacementGroup group(std::vector<BundleOptions>(10'000, BundleOptions{.num_cpus = 0.0001}),
                             GroupStrategy::spread);
  EXPECT_GT(get(remote<node_of_task>.options({.num_cpus = 0.0001, .bundle = group.bundle(9'999)})(1)), 0);
}

TEST_F(ClusterSizes, OneMessageLongerThanAnyFrame) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "hundreds of megabytes: a sanitizer takes so long over them that nodes are taken for dead";
#endif
  start();
  join("second", 1);
  const std::size_t size = 70'000'000;
  auto threw = remote<throws_long>.options(there())(size);
  const auto error = try_get(threw);
  ASSERT_FALSE(error);
  EXPECT_GE(error.error().message().size(), size);
  EXPECT_EQ(get(remote<many_refs>.options(there())(300'000)).size(), 300'000U);
  EXPECT_EQ(runtime_->nodes().size(), 2U);
}

TEST_F(ClusterSizes, ManyArgumentsByValueWaitForTheirTurn) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "hundreds of megabytes: a sanitizer takes so long over them that nodes are taken for dead";
#endif
  start();
  join("second", 20);
  std::vector<Ref<std::size_t>> refs;
  for (int i = 0; i < 300; ++i) {
    refs.push_back(
        remote<size_of>.options({.node = id_of("second")})(std::string(1'000'000, static_cast<char>('a' + i % 20))));
  }
  for (std::size_t i = 0; i < refs.size(); ++i) ASSERT_EQ(get(refs[i]), 1'000'000 + 'a' + i % 20);
  EXPECT_EQ(runtime_->nodes().size(), 2U);
}

TEST_F(ClusterSizes, AProcessThatIsStoppedMakesItsCallersWait) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "hundreds of megabytes: a sanitizer takes so long over them that nodes are taken for dead";
#endif
  start();
  join("second", 2);
  auto keeper = actor<Keeper>.options({.max_concurrency = 200, .node = id_of("second")})();
  const int process = get(keeper.call<&Keeper::process>());
  ::kill(process, SIGSTOP);
  std::vector<Ref<std::size_t>> refs;
  const std::string text(1'000'000, 'a');
  for (int i = 0; i < 150; ++i) refs.push_back(keeper.call<&Keeper::add>(text));
  EXPECT_EQ(get(remote<node_of_task>.options(there())(1)), 6) << "others go on";
  ::kill(process, SIGCONT);
  for (std::size_t i = 0; i < refs.size(); ++i) ASSERT_EQ(get(refs[i]), (i + 1) * (1'000'000 + 'a'));
  EXPECT_EQ(runtime_->nodes().size(), 2U);
}

// The arguments of a call whose coroutine waits are the call's, whatever their size and wherever its caller is.
TEST_F(ClusterSizes, ArgumentsOfACoroutineThatWaits) {
  start();
  join("second", 2);
  for (const std::size_t size : {100, 4096, 50'000, 1'000'000, 3'000'000}) {
    auto keeper = actor<Keeper>.options({.max_concurrency = 8, .node = id_of("second")})();
    outside()[400] = 0;
    auto first = remote<slow_value>.options({.num_cpus = 0})(400);
    std::vector<Ref<std::size_t>> calls;
    for (int i = 0; i < 6; ++i) {
      calls.push_back(keeper.call<&Keeper::add_after>(std::string(size, static_cast<char>('a' + i)), first));
    }
    for (int i = 0; i < 20; ++i) (void)get(keeper.call<&Keeper::add>(std::string(size, '\1')));  // over freed memory
    outside()[400] = 1;
    std::size_t last = 0;
    for (auto& call : calls) last = std::max(last, get(call));
    EXPECT_EQ(last, 6 * (1000 + size) + 20 * (size + 1) + 6 * 'a' + 15) << size;
  }
}

TEST_F(ClusterSizes, ActorsThatSpreadAreEven) {
  start(10);
  for (const char* name : {"second", "third", "fourth"}) join(name, 10);
  for (const double each : {0.0, 1.0}) {
    std::vector<Actor<Keeper>> keepers;
    for (int i = 0; i < 40; ++i) {
      keepers.push_back(actor<Keeper>.options({.num_cpus = each, .placement = Placement::spread})());
    }
    std::map<std::string, int> seen;
    for (auto& keeper : keepers) ++seen[get(keeper.call<&Keeper::where>())];
    EXPECT_EQ(seen, (std::map<std::string, int>{{"head", 10}, {"second", 10}, {"third", 10}, {"fourth", 10}})) << each;
  }
}

TEST_F(ClusterSizes, ActorsWithoutCpusDoNotPileUpAtHome) {
  start(4);
  join("second", 4);
  std::vector<Actor<Keeper>> keepers;
  const auto create = [&](int n) {
    for (int i = 0; i < n; ++i) keepers.push_back(actor<Keeper>.options({.num_cpus = 0})());
    std::map<std::string, int> seen;
    for (auto& keeper : keepers) ++seen[get(keeper.call<&Keeper::where>())];
    return seen;
  };
  EXPECT_EQ(create(4), (std::map<std::string, int>{{"head", 4}}));
  EXPECT_EQ(create(20), (std::map<std::string, int>{{"head", 12}, {"second", 12}}));
}

// What others own is asked for together, and what lies on other nodes brought together: the time for each is a fraction
// of a journey there and back.
TEST_F(ClusterSizes, ManyBorrowedObjectsAreFetchedTogether) {
  start(2);
  join("second", 2);
  auto keeper = actor<Keeper>.options({.node = id_of("second")})();
  const auto timed = [](auto&& f) {
    const auto begin = std::chrono::steady_clock::now();
    f();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  double one_by_one = 0, together = 0;
  for (int round = 0; round < 3; ++round) {
    const auto singles = get(keeper.call<&Keeper::make>(1'000, 10));
    one_by_one += timed([&] {
      for (int i = 0; i < 1'000; ++i) EXPECT_EQ(get(singles[static_cast<std::size_t>(i)]).at(0), i);
    });
    const auto many = get(keeper.call<&Keeper::make>(1'000, 10));
    together += timed([&] {
      const auto values = get(many);
      for (int i = 0; i < 1'000; ++i) EXPECT_EQ(values[static_cast<std::size_t>(i)].at(0), i);
    });
  }
  RecordProperty("one_by_one_ms", static_cast<int>(one_by_one * 1000));
  RecordProperty("together_ms", static_cast<int>(together * 1000));
  EXPECT_LT(together, one_by_one / 2);
  const auto large = get(keeper.call<&Keeper::make>(200, 50'000));  // in the store there
  const auto values = get(large);
  for (int i = 0; i < 200; ++i) EXPECT_EQ(values[static_cast<std::size_t>(i)], std::vector<int>(50'000, i));
  auto all = get(keeper.call<&Keeper::make>(10'000, 10));
  std::optional<std::vector<std::vector<int>>> most;
  RecordProperty("ten_thousand_ms", static_cast<int>(timed([&] { most = get(all); }) * 1000));
  for (int i = 0; i < 10'000; ++i) ASSERT_EQ(most->at(static_cast<std::size_t>(i)), std::vector<int>(10, i));
  all = get(keeper.call<&Keeper::make>(10, 10));
  auto failing = get(keeper.call<&Keeper::fails>());
  all.insert(all.begin() + 5, failing);
  const auto failed = try_get(all);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::task_failed);
  const Result<std::vector<int>> behind = try_get(all.back());
  EXPECT_TRUE(behind) << "what comes after it can be read";
}

TEST_F(ClusterSizes, AWrongAddressIsReportedAtOnce) {
  start();
  MemberProcess none(member_arguments("127.0.0.1:70010", "second", 1));
  EXPECT_EQ(none.status(5s * slowness()), 3);
  EXPECT_NE(none.errors().find("70010"), std::string::npos) << none.errors();
  MemberProcess waits(member_arguments("127.0.0.1:1", "second", 1));
  const auto deadline = std::chrono::steady_clock::now() + 5s * slowness();
  while (waits.errors().find("waiting to join") == std::string::npos && std::chrono::steady_clock::now() < deadline) {
    ::usleep(1000);
  }
  EXPECT_NE(waits.errors().find("waiting to join the cluster at 127.0.0.1:1"), std::string::npos) << waits.errors();
}

}  // namespace
}  // namespace manta::e2e
