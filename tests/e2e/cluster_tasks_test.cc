// Tasks and objects across nodes: where tasks go, what they are given and give back, in which order, and after deaths.
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <numeric>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/cluster_member.h"
#include "tests/e2e/outside.h"

namespace manta::e2e {
namespace {

using namespace std::chrono_literals;
using Numbers = std::vector<std::int64_t>;

int square(int x) { return x * x; }
std::string where(int milliseconds) {
  ::usleep(static_cast<useconds_t>(milliseconds) * 1000);
  return node_name();
}
Numbers numbers(std::size_t n, std::int64_t first) {
  Numbers made(n);
  std::iota(made.begin(), made.end(), first);
  return made;
}
std::int64_t sum(const Numbers& all) { return std::accumulate(all.begin(), all.end(), std::int64_t{0}); }
std::int64_t sum_of_two(const Numbers& a, const Numbers& b) { return sum(a) - sum(b); }
std::int64_t expected_sum(std::int64_t n, std::int64_t first) { return n * first + n * (n - 1) / 2; }
std::int64_t sum_inside(const std::vector<Ref<Numbers>>& refs) {
  std::int64_t total = 0;
  for (auto ref : refs) total += sum(get(ref));
  return total;
}
std::pair<std::string, Ref<Numbers>> put_there(std::size_t n) { return {node_name(), put(numbers(n, 5))}; }
std::string throws_text(std::string text) { throw std::out_of_range(text); }
int throws(int x) { throw std::out_of_range("no " + std::to_string(x)); }
int fib(int n) {
  if (n < 2) return n;
  auto a = remote<fib>(n - 1), b = remote<fib>(n - 2);
  return get(a) + get(b);
}
int worker(int) { return ::getpid(); }
int dies(int cell) {
  if (++outside()[static_cast<std::size_t>(cell)] == 1) ::kill(::getpid(), SIGKILL);
  return static_cast<int>(outside()[static_cast<std::size_t>(cell)]);
}
int counts(int cell) { return static_cast<int>(++outside()[static_cast<std::size_t>(cell)]); }

int meet(int all) {
  ++outside()[200];
  return await_cell(200, all) ? 1 : 0;
}

int until_stopped(int cell, std::stop_token stop) {
  ++outside()[static_cast<std::size_t>(cell)];
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (!stop.stop_requested() && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(100us);
  throw std::runtime_error(stop.stop_requested() ? "stopped" : "never asked to stop");
}
int hangs(int cell) {
  ++outside()[static_cast<std::size_t>(cell)];
  return await_cell(static_cast<std::size_t>(cell), 1000, 60s) ? 1 : 0;
}
struct Stubborn {
  int hang(int cell) { return hangs(cell); }
  int quick(int x) { return x; }
};
int waits_for_it(int cell) { return get(remote<until_stopped>.options({.num_cpus = 0.1})(cell)); }

class ClusterTasks : public ClusterTest {
 protected:
  TaskOptions there(const std::string& name = "second") { return {.node = id_of(name)}; }
  template <class R>
  static Error error_of(Ref<R>& ref) {
    auto result = try_get(ref);
    return result ? Error(ErrorCode::internal, "no error") : result.error();
  }
  // Until all CPUs of the node have a worker that has started: not what the tests of placement are about.
  void warm_up(const std::string& name, int cpus) {
    const std::size_t before = static_cast<std::size_t>(outside()[200]);
    std::vector<Ref<int>> refs;
    for (int i = 0; i < cpus; ++i) {
      refs.push_back(
          remote<meet>.options({.node = name == "head" ? NodeId{1} : id_of(name)})(static_cast<int>(before) + cpus));
    }
    for (auto& ref : refs) (void)get(ref);
  }
  static std::map<std::string, int> count(std::vector<Ref<std::string>>& refs) {
    std::map<std::string, int> seen;
    for (auto& ref : refs) ++seen[get(ref)];
    return seen;
  }
};

TEST_F(ClusterTasks, SmallValues) {
  start();
  join("second", 2);
  std::vector<Ref<int>> refs;
  for (int i = 0; i < 3000; ++i) refs.push_back(remote<square>.options(there())(i % 1000));
  for (int i = 0; i < 3000; ++i) ASSERT_EQ(get(refs[static_cast<std::size_t>(i)]), (i % 1000) * (i % 1000));
}

// OWN-14
TEST_F(ClusterTasks, AreCancelledWhereverTheyAre) {
  start();
  join("second");
  auto running = remote<until_stopped>.options(there())(300);
  ASSERT_TRUE(await_cell(300, 1));
  std::vector<Ref<int>> behind;  // some of them are there already
  for (int i = 0; i < 40; ++i) behind.push_back(remote<counts>.options(there())(301));
  for (const auto& ref : behind) cancel(ref);
  for (auto& ref : behind) EXPECT_EQ(error_of(ref).code(), ErrorCode::cancelled);
  cancel(running);
  EXPECT_EQ(error_of(running).code(), ErrorCode::cancelled);
  EXPECT_EQ(get(remote<counts>.options(there())(301)), 1) << "none of the others ran";

  auto parent = remote<waits_for_it>.options({.num_cpus = 0, .node = id_of("second")})(302);
  ASSERT_TRUE(await_cell(302, 1));
  cancel(parent);
  EXPECT_EQ(error_of(parent).code(), ErrorCode::cancelled);

  auto forced = remote<until_stopped>.options(there())(303);
  ASSERT_TRUE(await_cell(303, 1));
  auto later = remote<counts>.options({.max_retries = 0, .node = id_of("second")})(304);
  cancel(forced, {.force = true});
  EXPECT_EQ(error_of(forced).code(), ErrorCode::cancelled);
  EXPECT_EQ(get(later), 1);
}

// OWN-15
TEST_F(ClusterTasks, HaveTheirTimeLimitsWhereverTheyAre) {
  start();
  join("second");
  const auto limited = [&](std::chrono::milliseconds limit) {
    return TaskOptions{.max_retries = 0, .timeout = limit, .node = id_of("second")};
  };
  auto looks = remote<until_stopped>.options(limited(100ms))(300);
  EXPECT_EQ(error_of(looks).code(), ErrorCode::deadline);

  auto busy = remote<where>.options(there())(500);
  std::vector<Ref<int>> behind;  // some of them are there already
  for (int i = 0; i < 40; ++i) behind.push_back(remote<counts>.options(limited(200ms * slowness()))(301));
  for (auto& ref : behind) EXPECT_GT(get(ref), 0);

  auto hung = remote<hangs>.options(limited(100ms))(302);
  ASSERT_TRUE(await_cell(302, 1));
  auto later = remote<counts>.options(limited(20s))(303);
  const Error error = error_of(hung);
  EXPECT_EQ(error.code(), ErrorCode::deadline) << error.message();
  EXPECT_EQ(get(later), 1);

  auto actor = manta::actor<Stubborn>.options({.node = id_of("second")})();
  auto call = actor.options({.timeout = 100ms}).call<&Stubborn::hang>(304);
  auto next = actor.call<&Stubborn::quick>(5);
  EXPECT_EQ(error_of(call).code(), ErrorCode::deadline);
  EXPECT_FALSE(next.ready());
  outside()[304] = 1000;
  EXPECT_EQ(get(next), 5);
}

TEST_F(ClusterTasks, ValuesOfAllSizesBothWays) {
  start();
  join("second");
  for (const std::size_t n : {1UL, 10UL, 12UL, 100UL, 8'000UL, 8'192UL, 20'000UL, 140'000UL, 1'000'000UL}) {
    const auto count = static_cast<std::int64_t>(n);
    EXPECT_EQ(get(remote<sum>.options(there())(numbers(n, 7))), expected_sum(count, 7)) << n;
    auto result = remote<numbers>.options(there())(n, 3);
    EXPECT_EQ(get(result), numbers(n, 3)) << n;
    EXPECT_EQ(get(remote<sum>(result)), expected_sum(count, 3)) << n;              // read by another process here
    EXPECT_EQ(get(remote<sum>.options(there())(result)), expected_sum(count, 3));  // and where it lies
    auto mine = put(numbers(n, 11));
    EXPECT_EQ(get(remote<sum>.options(there())(mine)), expected_sum(count, 11)) << n;
    auto local = remote<numbers>.options({.node = NodeId{1}})(n, 9);
    EXPECT_EQ(get(remote<sum_of_two>.options(there())(local, result)), 6 * count) << n;
  }
}

TEST_F(ClusterTasks, ReferencesTravelAndAreCounted) {
  start();
  join("second");
  std::vector<Ref<Numbers>> refs;
  std::int64_t expected = 0;
  for (int i = 0; i < 10; ++i) {
    const std::size_t n = i % 2 == 0 ? 10 : 50'000;
    refs.push_back(i < 5 ? put(numbers(n, i)) : remote<numbers>.options(there())(n, i));
    expected += expected_sum(static_cast<std::int64_t>(n), i);
  }
  EXPECT_EQ(get(remote<sum_inside>.options(there())(refs)), expected);
  EXPECT_EQ(get(remote<sum_inside>(refs)), expected);
  // Owned by a worker there and borrowed by us; then borrowed by a worker here, too.
  for (const std::size_t n : {100UL, 100'000UL}) {
    auto [name, inner] = get(remote<put_there>.options(there())(n));
    EXPECT_EQ(name, "second");
    EXPECT_EQ(get(inner), numbers(n, 5));
    EXPECT_EQ(get(remote<sum>(inner)), expected_sum(static_cast<std::int64_t>(n), 5));
    EXPECT_EQ(get(remote<sum_inside>(std::vector{inner, inner})), 2 * expected_sum(static_cast<std::int64_t>(n), 5));
  }
}

// The memory of a freed object is used again: no process may read the old value.
TEST_F(ClusterTasks, PlacesAreUsedAgain) {
  start();
  join("second");
  for (int i = 0; i < 30; ++i) {
    auto mine = put(numbers(20'000, i));
    EXPECT_EQ(get(remote<sum>.options(there())(mine)), expected_sum(20'000, i));
    auto theirs = remote<numbers>.options(there())(20'000, 100 + i);
    EXPECT_EQ(get(remote<sum>(theirs)), expected_sum(20'000, 100 + i));
    EXPECT_EQ(get(theirs).front(), 100 + i);
    EXPECT_EQ(get(remote<sum_inside>.options(there())(std::vector{mine})), expected_sum(20'000, i));
  }
}

TEST_F(ClusterTasks, ThreeNodesThroughTheHead) {
  start();
  join("second");
  join("third");
  auto from_second = remote<numbers>.options(there("second"))(300'000, 1);
  EXPECT_EQ(get(remote<sum>.options(there("third"))(from_second)), expected_sum(300'000, 1));
  auto [name, inner] = get(remote<put_there>.options(there("second"))(200'000));
  EXPECT_EQ(get(remote<sum_inside>.options(there("third"))(std::vector{inner})), expected_sum(200'000, 5));
}

// Too long for a packet of a control socket: in parts, or in memory.
TEST_F(ClusterTasks, LongMessages) {
  start();
  join("second");
  for (const std::size_t bytes : {100'000u, 131'072u, 700'000u, 3'000'000u}) {
    const std::string text = std::string(bytes, 'x') + "the end";
    auto thrown = remote<throws_text>.options(there())(text);
    const std::string what = error_of(thrown).what();
    EXPECT_GT(what.size(), bytes);
    EXPECT_NE(what.find("xthe end"), std::string::npos);
  }
}

TEST_F(ClusterTasks, ExceptionsTellTheirNode) {
  start();
  join("second");
  auto failed = remote<throws>.options(there())(7);
  const Error error = error_of(failed);
  ASSERT_EQ(error.code(), ErrorCode::task_failed);
  EXPECT_EQ(error.task()->type, "std::out_of_range");
  EXPECT_EQ(error.task()->what, "no 7");
}

TEST_F(ClusterTasks, TasksThereSubmitTasks) {
  start();
  join("second", 2);
  EXPECT_EQ(get(remote<fib>.options(there())(12)), 144);
}

// Behind a task that waits stands the one that it waits for: it must not stay there.
TEST_F(ClusterTasks, NoTaskWaitsBehindAnotherForEver) {
  start();
  join("second");
  std::vector<Ref<std::int64_t>> totals;
  for (int round = 0; round < 20; ++round) {
    std::vector<Ref<Numbers>> late;
    auto first = remote<where>.options(there())(2);
    late.push_back(remote<numbers>.options(there())(10, round));
    // Its reference is inside a value, so it does not wait to be submitted.
    totals.push_back(remote<sum_inside>.options(there())(std::vector{late[0]}));
  }
  for (int round = 0; round < 20; ++round)
    EXPECT_EQ(get(totals[static_cast<std::size_t>(round)]), expected_sum(10, round));
}

TEST_F(ClusterTasks, PackThenSpread) {
  start(2);
  join("second", 2);
  warm_up("second", 2);  // not this node: it would hold leases of another shape for a while, and be full
  std::vector<Ref<std::string>> few, many;
  for (int i = 0; i < 2; ++i) few.push_back(remote<where>(30));
  EXPECT_EQ(count(few), (std::map<std::string, int>{{"head", 2}}));
  for (int i = 0; i < 40; ++i) many.push_back(remote<where>(20));
  auto seen = count(many);
  EXPECT_GE(seen["second"], 8);
  EXPECT_GE(seen["head"], 8);
}

TEST_F(ClusterTasks, Spread) {
  start(2);
  join("second", 2);
  join("third", 2);
  for (const char* name : {"head", "second", "third"}) warm_up(name, 2);
  std::vector<Ref<std::string>> refs;
  for (int i = 0; i < 60; ++i) refs.push_back(remote<where>.options({.placement = Placement::spread})(20));
  auto seen = count(refs);
  for (const char* name : {"head", "second", "third"}) EXPECT_GE(seen[name], 8) << name;
}

TEST_F(ClusterTasks, ResourcesThatOnlyAnotherNodeHas) {
  start();
  join("second", 2, "license");
  const TaskOptions license{.resources = {{{"license", 1}}}};
  std::vector<Ref<std::string>> refs;
  for (int i = 0; i < 5; ++i) refs.push_back(remote<where>.options(license)(1));
  EXPECT_EQ(count(refs), (std::map<std::string, int>{{"second", 5}}));
  EXPECT_EQ(get(remote<where>.options({.num_cpus = 2})(0)), "second");
  auto nowhere = remote<where>.options({.num_cpus = 3})(0);
  const Error error = error_of(nowhere);
  EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  EXPECT_NE(error.message().find("no live node can ever run a task that needs CPU: 3"), std::string::npos)
      << error.what();
}

TEST_F(ClusterTasks, Affinity) {
  start(2);
  join("second");
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(get(remote<where>.options(there())(0)), "second");
    EXPECT_EQ(get(remote<where>.options({.node = NodeId{1}})(0)), "head");
  }
  auto dead = remote<where>.options({.node = NodeId{77}})(0);
  EXPECT_NE(error_of(dead).message().find("node 77"), std::string::npos) << error_of(dead).what();
  EXPECT_EQ(get(remote<where>.options({.node = NodeId{77}, .node_soft = true})(0)), "head");
  auto small = remote<where>.options({.num_cpus = 2, .node = id_of("second")})(0);
  EXPECT_NE(error_of(small).message().find("node_soft"), std::string::npos) << error_of(small).what();
  EXPECT_EQ(get(remote<where>.options({.num_cpus = 2, .node = id_of("second"), .node_soft = true})(0)), "head");
}

TEST_F(ClusterTasks, WorkerThereDies) {
  start();
  join("second");
  EXPECT_EQ(get(remote<dies>.options(there())(20)), 2);
  auto hopeless = remote<dies>.options({.max_retries = 0, .node = id_of("second")})(21);
  EXPECT_EQ(error_of(hopeless).code(), ErrorCode::worker_died);
  // Those that had not started cost no attempt, and run once.
  auto first = remote<dies>.options(there())(22);
  std::vector<Ref<int>> behind;
  for (int i = 0; i < 10; ++i)
    behind.push_back(remote<counts>.options({.max_retries = 0, .node = id_of("second")})(23));
  EXPECT_EQ(get(first), 2);
  for (auto& ref : behind) EXPECT_GT(get(ref), 0);
  EXPECT_EQ(outside()[23], 10);
}

// The values stay readable as long as a process on any node refers to them.
TEST_F(ClusterTasks, ObjectsOfADeadWorkerThere) {
  start();
  join("second");
  auto value = remote<numbers>.options(there())(100'000, 4);
  std::vector<Ref<Numbers>> values{value};
  ASSERT_EQ(wait(values), 1U);
  const pid_t pid = get(remote<worker>.options(there())(0));
  ::kill(pid, SIGKILL);
  EXPECT_NE(get(remote<worker>.options(there())(0)), pid);
  EXPECT_EQ(get(value), numbers(100'000, 4));
}

TEST_F(ClusterTasks, ObjectsOfADeadNode) {
  start();
  Session& session = join("second");
  auto value = remote<numbers>.options(there())(100'000, 4);
  auto read = remote<numbers>.options(there())(100'000, 5);
  TaskOptions options = there();
  options.max_retries = 0;
  auto once = remote<numbers>.options(options)(100'000, 6);
  auto [name, owned] = get(remote<put_there>.options(there())(100'000));
  EXPECT_EQ(get(read).size(), 100'000U);
  std::vector<Ref<Numbers>> values{value, once};
  ASSERT_EQ(wait(values, {.count = 2}), 2U);
  session.look();
  ::kill(session.named("manta-node").at(0), SIGKILL);
  ASSERT_TRUE(await_nodes(*runtime_, 1));
  // Their task may run nowhere else.
  EXPECT_NE(error_of(value).message().find("node 2"), std::string::npos) << error_of(value).what();
  EXPECT_EQ(error_of(once).code(), ErrorCode::object_lost);
  EXPECT_EQ(error_of(owned).code(), ErrorCode::object_lost);
  expect_nothing_left(session);
}

Numbers counted(int cell, const Numbers& from) {
  ++outside()[static_cast<std::size_t>(cell)];
  Numbers made = from;
  for (auto& number : made) number += 1;
  return made;
}
std::int64_t sum_behind(const std::vector<Ref<Numbers>>& refs) { return sum(get(refs.at(0))); }

// Only objects that a process asks for are made again, with all that they need.
TEST_F(ClusterTasks, ObjectsOfADeadNodeAreMadeAgain) {
  start();
  Session& session = join("second");
  const TaskOptions soft{.node = id_of("second"), .node_soft = true};
  const auto first = remote<numbers>.options(soft)(100'000, 1);
  const auto second = remote<counted>.options(soft)(400, first);
  const auto third = remote<counted>.options(soft)(401, second);
  const auto unused = remote<counted>.options(soft)(402, first);
  std::vector<Ref<Numbers>> all{third, unused};
  ASSERT_EQ(wait(all, {.count = 2}), 2U);
  EXPECT_EQ(outside()[401], 1);
  EXPECT_EQ(outside()[402], 1);
  session.look();
  ::kill(session.named("manta-node").at(0), SIGKILL);
  ASSERT_TRUE(await_nodes(*runtime_, 1));
  EXPECT_EQ(get(remote<sum_behind>(std::vector{third})), expected_sum(100'000, 3));
  EXPECT_EQ(get(third).front(), 3);
  EXPECT_EQ(get(second).front(), 2);
  EXPECT_EQ(outside()[400], 2);
  EXPECT_EQ(outside()[401], 2);
  EXPECT_EQ(outside()[402], 1);
  EXPECT_EQ(get(remote<sum>(unused)), expected_sum(100'000, 2));
  EXPECT_EQ(outside()[402], 2);
}

TEST_F(ClusterTasks, ManyThreadsManyNodes) {
  start(2);
  join("second", 2);
  join("third", 2);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 30; ++i) {
        const auto n = static_cast<std::size_t>(1) << (i % 17);
        auto a = remote<numbers>.options({.placement = Placement::spread})(n, t);
        auto b = remote<numbers>(n, i);
        const auto difference = static_cast<std::int64_t>(n) * (t - i);
        if (get(remote<sum_of_two>.options({.placement = Placement::spread})(a, b)) != difference) ++wrong;
        if (get(remote<sum_inside>.options(there(i % 2 == 0 ? "second" : "third"))(std::vector{a, b})) == 0 && n > 1) {
          ++wrong;
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace manta::e2e
