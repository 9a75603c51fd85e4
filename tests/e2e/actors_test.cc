// Actors: made, called in order from everywhere, passed on. Their ends are in actor_life_test.cc.
#include <gtest/gtest.h>

#include <unistd.h>

#include <chrono>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <manta/manta.h>

namespace {

using namespace std::chrono_literals;
using manta::Actor;
using manta::ErrorCode;
using manta::Ref;

struct Counter {
  explicit Counter(int start) : value(start) {}
  int increment(int by) { return value += by; }
  int get() const noexcept { return value; }
  pid_t process() const { return ::getpid(); }
  void fail() { throw std::out_of_range("no such thing"); }
  int value;
};

TEST(Actors, KeepStateBetweenCalls) {
  const auto counter = manta::actor<Counter>(10);
  EXPECT_EQ(manta::get(counter.call<&Counter::increment>(5)), 15);
  EXPECT_EQ(manta::get(counter.call<&Counter::increment>(1)), 16);
  EXPECT_EQ(manta::get(counter.call<&Counter::get>()), 16);
  EXPECT_NE(manta::get(counter.call<&Counter::process>()), ::getpid());
  EXPECT_EQ(manta::get(counter.call<[](Counter& c, int to) { return std::exchange(c.value, to); }>(3)), 16);
  EXPECT_EQ(manta::get(counter.call<[](const Counter& c) { return c.value; }>()), 3);
}

TEST(Actors, AreProcessesOfTheirOwn) {
  const auto a = manta::actor<Counter>(1), b = manta::actor<Counter>(2);
  EXPECT_NE(manta::get(a.call<&Counter::process>()), manta::get(b.call<&Counter::process>()));
}

TEST(Actors, MoreThanCpus) {
  std::vector<Actor<Counter>> counters;
  for (int i = 0; i < 20; ++i) counters.push_back(manta::actor<Counter>(i));
  std::vector<Ref<int>> values;
  for (const auto& counter : counters) values.push_back(counter.call<&Counter::increment>(1));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(manta::get(values[static_cast<std::size_t>(i)]), i + 1);
}

int slow_value(int v) {
  std::this_thread::sleep_for(20ms);
  return v;
}

struct Log {
  void add(int line) { lines.push_back(line); }
  std::vector<int> all() const { return lines; }
  std::vector<int> lines;
};

TEST(Actors, CallsOfOneCallerRunInOrder) {
  const auto log = manta::actor<Log>();
  for (int i = 0; i < 5000; ++i) log.call<&Log::add>(i);
  std::vector<int> expected(5000);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(manta::get(log.call<&Log::all>()), expected);
}

TEST(Actors, ACallThatWaitsForItsArgumentKeepsItsPlace) {
  const auto log = manta::actor<Log>();
  log.call<&Log::add>(1);
  log.call<&Log::add>(manta::remote<slow_value>(2));
  log.call<&Log::add>(3);
  EXPECT_EQ(manta::get(log.call<&Log::all>()), (std::vector{1, 2, 3}));
}

struct Adder {
  Adder(int a, int b) : sum(a + b) {}
  int sum;
};
struct Keeper {
  explicit Keeper(Ref<int> r) : ref(std::move(r)) {}
  int read() { return manta::get(ref); }
  void replace(Ref<int> r) { ref = std::move(r); }
  Ref<int> ref;
};
struct Plain {
  std::string name;
  int number = 0;
};

TEST(Actors, ConstructorsTakeValuesAndReferences) {
  const auto adder = manta::actor<Adder>(manta::remote<slow_value>(2), 3);
  EXPECT_EQ(manta::get(adder.call<[](Adder& a) { return a.sum; }>()), 5);
  const auto keeper = manta::actor<Keeper>(manta::remote<slow_value>(7));
  EXPECT_EQ(manta::get(keeper.call<&Keeper::read>()), 7);
  const auto plain = manta::actor<Plain>("x", 4);
  EXPECT_EQ(manta::get(plain.call<[](Plain& p) { return p.name + std::to_string(p.number); }>()), "x4");
}

TEST(Actors, KeepReferencesThatTheyWereGiven) {
  const auto keeper = manta::actor<Keeper>(manta::put(1));
  for (int i = 2; i < 50; ++i) {
    keeper.call<&Keeper::replace>(std::vector{manta::put(i)}[0]);
    ASSERT_EQ(manta::get(keeper.call<&Keeper::read>()), i);
  }
}

TEST(Actors, ExceptionsArriveAndTheActorLivesOn) {
  const auto counter = manta::actor<Counter>(1);
  try {
    (void)manta::get(counter.call<&Counter::fail>());
    FAIL();
  } catch (const manta::TaskError& error) {
    EXPECT_EQ(error.task()->type, "std::out_of_range");
    EXPECT_NE(error.task()->function.find("Counter::fail"), std::string::npos) << error.task()->function;
  }
  EXPECT_EQ(manta::get(counter.call<&Counter::increment>(1)), 2);
}

struct Broken {
  explicit Broken(int) { throw std::runtime_error("will not be built"); }
  int value() const { return 1; }
};

TEST(Actors, AConstructorsExceptionArrivesWithEachCall) {
  const auto broken = manta::actor<Broken>(1);
  for (int i = 0; i < 3; ++i) {
    try {
      (void)manta::get(broken.call<&Broken::value>());
      FAIL();
    } catch (const manta::Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::task_failed);
      EXPECT_NE(std::string(error.what()).find("will not be built"), std::string::npos) << error.what();
    }
  }
}

// --- handles

int add_through(Actor<Counter> counter, int by) { return manta::get(counter.call<&Counter::increment>(by)); }
int add_many(const std::vector<Actor<Counter>>& counters, int by) {
  int total = 0;
  for (const auto& counter : counters) total += manta::get(counter.call<&Counter::increment>(by));
  return total;
}

struct Boss {
  explicit Boss(Actor<Counter> c) : counter(std::move(c)) {}
  Ref<int> order(int by) { return counter.call<&Counter::increment>(by); }
  Actor<Counter> counter;
};

TEST(ActorHandles, GoToTasksAndOtherActors) {
  const auto counter = manta::actor<Counter>(0);
  EXPECT_EQ(manta::get(manta::remote<add_through>(counter, 2)), 2);
  EXPECT_EQ(manta::get(manta::remote<add_many>(std::vector{counter, counter}, 1)), 3 + 4);
  const auto boss = manta::actor<Boss>(counter);
  EXPECT_EQ(manta::get(manta::get(boss.call<&Boss::order>(6))), 10);
  const Ref<Actor<Counter>> stored = manta::put(counter);
  EXPECT_EQ(manta::get(manta::get(stored).call<&Counter::get>()), 10);
}

TEST(ActorHandles, ManyCallersAtATime) {
  const auto counter = manta::actor<Counter>(0);
  std::vector<Ref<int>> done;
  for (int i = 0; i < 200; ++i) done.push_back(manta::remote<add_through>(counter, 1));
  for (const auto& ref : done) (void)manta::get(ref);
  EXPECT_EQ(manta::get(counter.call<&Counter::get>()), 200);
}

}  // namespace
