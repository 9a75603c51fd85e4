// Actors across nodes: made there, called from here and from third places, found by name, started again elsewhere.
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

enum : std::size_t { kMade = 300, kEnded, kCalls };

struct Recorder {
  Recorder() { ++outside()[kMade]; }
  ~Recorder() { ++outside()[kEnded]; }
  std::string where() const { return node_name(); }
  int add(int line) {
    lines.push_back(line);
    return static_cast<int>(lines.size());
  }
  std::vector<int> all() const { return lines; }
  std::string echo(const std::string& text) { return text; }
  int process() const { return ::getpid(); }
  int die_at_first(int times) {
    if (++outside()[kCalls] <= times) ::kill(::getpid(), SIGKILL);
    return static_cast<int>(outside()[kCalls]);
  }
  std::vector<int> lines;
};

std::string where_is(Actor<Recorder> recorder) { return node_name() + "->" + get(recorder.call<&Recorder::where>()); }
int add_many(Actor<Recorder> recorder, int n) {
  int last = 0;
  for (int i = 0; i < n; ++i) last = get(recorder.call<&Recorder::add>(i));
  return last;
}
std::string ask_by_name(const std::string& name) {
  const auto found = find_actor<Recorder>(name);
  return found ? get(found->call<&Recorder::where>()) : "nobody";
}
Actor<Recorder> make_named(const std::string& name) { return actor<Recorder>.options({.name = name})(); }
void kill_it(Actor<Recorder> recorder) { kill(recorder); }

class ClusterActors : public ClusterTest {
 protected:
  void SetUp() override {
    ClusterTest::SetUp();
    start(2);
    second_ = &join("second", 2);
  }
  ActorOptions there() { return {.node = id_of("second")}; }
  template <class R>
  static ErrorCode code_of(Ref<R> ref) {
    auto result = try_get(ref);
    return result ? ErrorCode::internal : result.error().code();
  }
  Session* second_ = nullptr;
};

TEST_F(ClusterActors, LiveThereAndAreCalledFromHereInOrder) {
  auto recorder = actor<Recorder>.options(there())();
  EXPECT_EQ(get(recorder.call<&Recorder::where>()), "second");
  for (int i = 0; i < 2000; ++i) recorder.call<&Recorder::add>(i);
  std::vector<int> expected(2000);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(get(recorder.call<&Recorder::all>()), expected);
  const std::string big(3'000'000, 'x');
  EXPECT_EQ(get(recorder.call<&Recorder::echo>(big)), big);
  recorder = {};
  EXPECT_TRUE(await_cell(kEnded, 1));
}

TEST_F(ClusterActors, HandlesWorkOnEveryNode) {
  const auto here = actor<Recorder>.options({.node = NodeId{1}})();
  const auto over_there = actor<Recorder>.options(there())();
  const TaskOptions task_there{.node = id_of("second")};
  EXPECT_EQ(get(remote<where_is>.options(task_there)(here)), "second->head");
  EXPECT_EQ(get(remote<where_is>.options(task_there)(over_there)), "second->second");
  EXPECT_EQ(get(remote<where_is>.options({.node = NodeId{1}})(over_there)), "head->second");
  const auto a = remote<add_many>.options(task_there)(here, 300);
  const auto b = remote<add_many>.options({.node = NodeId{1}})(here, 300);
  EXPECT_EQ(std::max(get(a), get(b)), 600);
}

TEST_F(ClusterActors, NamesAreTheClusters) {
  const auto here = actor<Recorder>.options({.name = "one", .node = NodeId{1}})();
  const TaskOptions task_there{.node = id_of("second")};
  EXPECT_EQ(get(remote<ask_by_name>.options(task_there)("one")), "head");
  EXPECT_EQ(get(remote<ask_by_name>.options(task_there)("two")), "nobody");
  const auto made_there = get(remote<make_named>.options(task_there)("two"));
  ASSERT_TRUE(find_actor<Recorder>("two"));
  EXPECT_EQ(find_actor<Recorder>("two"), made_there);
  EXPECT_EQ(code_of(remote<make_named>.options({.node = id_of("second")})("one")), ErrorCode::invalid_argument);
}

TEST_F(ClusterActors, StartAgainAfterTheDeathOfTheirProcess) {
  ActorOptions options = there();
  options.max_restarts = -1;
  options.max_task_retries = -1;
  const auto recorder = actor<Recorder>.options(options)();
  EXPECT_EQ(get(recorder.call<&Recorder::die_at_first>(3)), 4);
  EXPECT_EQ(outside()[kMade], 4);
  EXPECT_EQ(get(recorder.call<&Recorder::where>()), "second");
}

TEST_F(ClusterActors, KilledFromEitherNode) {
  const auto first = actor<Recorder>.options(there())(), other = actor<Recorder>.options(there())();
  (void)get(first.call<&Recorder::where>());
  (void)get(other.call<&Recorder::where>());
  kill(first);
  EXPECT_EQ(code_of(first.call<&Recorder::where>()), ErrorCode::actor_died);
  (void)get(remote<kill_it>.options({.node = id_of("second")})(other));
  while (code_of(other.call<&Recorder::where>()) != ErrorCode::actor_died) {
  }
}

TEST_F(ClusterActors, MoveWhenTheirHostDies) {
  ActorOptions options = there();
  options.node_soft = true;
  options.max_restarts = 1;
  options.max_task_retries = 1;
  const auto recorder = actor<Recorder>.options(options)();
  const auto stays = actor<Recorder>.options(there())();
  EXPECT_EQ(get(recorder.call<&Recorder::where>()), "second");
  EXPECT_EQ(get(stays.call<&Recorder::where>()), "second");
  ::kill(second_->driver(), SIGKILL);
  std::string where = "second";
  while (where == "second") where = get(recorder.call<&Recorder::where>());  // until it is dead
  EXPECT_EQ(where, "head");
  EXPECT_EQ(code_of(stays.call<&Recorder::where>()), ErrorCode::actor_died);
}

}  // namespace
}  // namespace manta::e2e
