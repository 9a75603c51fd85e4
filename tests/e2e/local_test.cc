// A program that runs its tasks and actors itself (MANTA_LOCAL=1), as a debugger sees it: one process, one stack.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <manta/manta.h>

#include "tests/e2e/program_run.h"

namespace {

using namespace std::chrono_literals;
using manta::Actor;
using manta::ErrorCode;
using manta::Generator;
using manta::Ref;
using manta::Stream;
using manta::Task;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What tasks have done, in order.
std::vector<std::string> done;
std::thread::id main_thread;

class Local : public ::testing::Test {
 protected:
  Local() {
    done.clear();
    main_thread = std::this_thread::get_id();
  }
};

bool in_main_thread() { return std::this_thread::get_id() == main_thread; }

int note(std::string what) {
  done.push_back(std::move(what));
  EXPECT_TRUE(in_main_thread());
  return static_cast<int>(done.size());
}

// --- tasks

TEST_F(Local, ATaskHasRunWhenRemoteReturns) {
  auto first = manta::remote<note>(std::string("first"));
  EXPECT_THAT(done, ElementsAre("first"));
  EXPECT_TRUE(first.ready());
  auto second = manta::remote<note>(std::string("second"));
  EXPECT_THAT(done, ElementsAre("first", "second"));
  EXPECT_EQ(manta::get(second), 2);
  EXPECT_EQ(manta::get(first), 1);
}

int outer() {
  note("outer begins");
  auto inner = manta::remote<note>(std::string("inner"));
  note("outer goes on");
  return manta::get(inner);
}
TEST_F(Local, ATaskOfATaskRunsOnItsStack) {
  EXPECT_EQ(manta::get(manta::remote<outer>()), 2);
  EXPECT_THAT(done, ElementsAre("outer begins", "inner", "outer goes on"));
}

int next_of(int n, int last) {
  if (n < last) (void)manta::remote<next_of>(n + 1, last);
  return note(std::to_string(n));
}
TEST_F(Local, AChainOfTasksNeedsNoStackForEach) {
  (void)manta::get(manta::remote<next_of>(1, 100'000));
  while (done.size() < 100'000) (void)manta::remote<note>(std::string("more"));
  EXPECT_EQ(std::count(done.begin(), done.end(), "100000"), 1);
}

int attempts = 0;
int fails_twice() {
  if (++attempts < 3) throw std::runtime_error("attempt " + std::to_string(attempts));
  return attempts;
}
TEST_F(Local, ExceptionsAndRetriesAreAsInWorkers) {
  attempts = 0;
  auto failed = manta::try_get(manta::remote<fails_twice>());
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), ErrorCode::task_failed);
  EXPECT_THAT(failed.error().message(), HasSubstr("attempt 1"));
  EXPECT_EQ(manta::get(manta::remote<fails_twice>.options({.max_retries = 2, .retry_exceptions = true})()), 3);
}

using Words = std::vector<std::uint64_t>;
std::uint64_t sum(const Words& words) {
  std::uint64_t total = 0;
  for (const std::uint64_t word : words) total += word;
  return total;
}
Words words(int n) { return Words(static_cast<std::size_t>(n), 3); }
std::uint64_t sum_inside(const std::vector<Ref<Words>>& refs) {
  std::uint64_t total = 0;
  for (const auto& ref : refs) total += sum(manta::get(ref));
  return total;
}
TEST_F(Local, ValuesOfAllSizesAndReferencesGoThroughTheStore) {
  for (const int n : {1, 100, 10'000, 1'000'000}) {
    auto made = manta::remote<words>(n);
    EXPECT_EQ(manta::get(manta::remote<sum>(made)), 3u * static_cast<std::uint64_t>(n));
    EXPECT_EQ(manta::get(manta::remote<sum_inside>(std::vector{made, manta::put(words(n))})),
              6u * static_cast<std::uint64_t>(n));
  }
}

TEST_F(Local, WhateverResourcesATaskAsksForItRuns) {
  EXPECT_EQ(manta::get(manta::remote<note>.options({.num_cpus = 1000, .num_gpus = 8})(std::string("large"))), 1);
  EXPECT_EQ(manta::get(manta::remote<note>.options({.resources = {{{"tape", 3}}}})(std::string("named"))), 2);
  manta::PlacementGroup group({{.num_cpus = 64}});
  EXPECT_EQ(manta::get(manta::remote<note>.options({.bundle = group.bundle(0)})(std::string("bundle"))), 3);
  const manta::Bundle removed = group.bundle(0);
  group = manta::PlacementGroup({{.num_cpus = 1}});
  manta::get(manta::PlacementGroup({{.num_cpus = 1}}).ready());  // the node has answered: it has removed the first
  auto refused = manta::try_get(manta::remote<note>.options({.bundle = removed})(std::string("removed")), 10s);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("placement group was removed"));
}

TEST_F(Local, HasNoOtherProcess) {
  (void)manta::get(manta::remote<note>(std::string("task")));
  const std::string self = std::to_string(::getpid());
  std::ifstream children("/proc/self/task/" + self + "/children");
  std::string child;
  EXPECT_FALSE(children >> child) << child;
}

// --- actors

struct Counter {
  explicit Counter(int from) : count(from) { note("made"); }
  ~Counter() { done.push_back("gone"); }
  int add(int n) { return count += n; }
  manta::ObjectId id() { return manta::runtime_context().actor; }
  int nested(const Actor<Counter>& self) {
    note("nested begins");
    later = self.call<&Counter::add>(1);
    note("nested ends");
    return count;
  }
  int count;
  Ref<int> later;
};

TEST_F(Local, EachActorHasItsStateAndIdentity) {
  auto a = manta::actor<Counter>(10);
  auto b = manta::actor<Counter>(20);
  EXPECT_THAT(done, ElementsAre("made", "made"));
  EXPECT_EQ(manta::get(a.call<&Counter::add>(1)), 11);
  EXPECT_EQ(manta::get(b.call<&Counter::add>(1)), 21);
  EXPECT_NE(manta::get(a.call<&Counter::id>()), manta::get(b.call<&Counter::id>()));
  EXPECT_FALSE(manta::runtime_context().actor);
}

TEST_F(Local, TheDestructorRunsWithTheLastHandle) {
  { auto counter = manta::actor<Counter>(0); }
  EXPECT_THAT(done, ElementsAre("made", "gone"));
}

TEST_F(Local, ACallOfAnActorThatIsBusyRunsAfterIt) {
  auto counter = manta::actor<Counter>(5);
  EXPECT_EQ(manta::get(counter.call<&Counter::nested>(counter)), 5);
  EXPECT_EQ(manta::get(counter.call<&Counter::add>(0)), 6);
  EXPECT_THAT(done, ElementsAre("made", "nested begins", "nested ends"));
}

struct Reentrant {
  int down(int n, const Actor<Reentrant>& self) {
    return n == 0 ? 0 : 1 + manta::get(self.call<&Reentrant::down>(n - 1, self));
  }
};
TEST_F(Local, SeveralCallsAtATimeLieOnOneStack) {
  auto actor = manta::actor<Reentrant>.options({.max_concurrency = 8})();
  EXPECT_EQ(manta::get(actor.call<&Reentrant::down>(7, actor)), 7);
}

TEST_F(Local, NamesFindActors) {
  auto counter = manta::actor<Counter>.options({.name = "the counter"})(1);
  EXPECT_EQ(manta::get(manta::find_actor<Counter>("the counter").value().call<&Counter::add>(1)), 2);
  auto same = manta::actor<Counter>.options({.name = "the counter", .get_if_exists = true})(100);
  EXPECT_EQ(manta::get(same.call<&Counter::add>(1)), 3);
}

TEST_F(Local, AKilledActorIsDeadOrStartsAgain) {
  auto mortal = manta::actor<Counter>(1);
  manta::kill(mortal);
  auto called = manta::try_get(mortal.call<&Counter::add>(1), 10s);
  ASSERT_FALSE(called);
  EXPECT_EQ(called.error().code(), ErrorCode::actor_died);
  auto again = manta::actor<Counter>.options({.max_restarts = 1})(7);
  EXPECT_EQ(manta::get(again.call<&Counter::add>(1)), 8);
  manta::kill(again, {.restart = true});
  EXPECT_EQ(manta::get(again.call<&Counter::add>(1), 10s), 8);
}

struct Shared {
  // Several threads call it: never two at once.
  std::pair<int, int> enter(int caller, int n) {
    EXPECT_FALSE(busy.exchange(true));
    calls.emplace_back(caller, n);
    EXPECT_TRUE(busy.exchange(false));
    return calls.back();
  }
  std::vector<std::pair<int, int>> all() { return calls; }
  std::atomic<bool> busy{false};
  std::vector<std::pair<int, int>> calls;
};
TEST_F(Local, ThreadsOfTheProgramTakeTurnsInAnActor) {
  auto shared = manta::actor<Shared>();
  std::vector<std::jthread> threads;
  for (int caller = 0; caller < 4; ++caller) {
    threads.emplace_back([&shared, caller] {
      for (int n = 0; n < 500; ++n)
        EXPECT_EQ(manta::get(shared.call<&Shared::enter>(caller, n), 20s), std::make_pair(caller, n));
    });
  }
  threads.clear();
  const auto calls = manta::get(shared.call<&Shared::all>());
  ASSERT_EQ(calls.size(), 2000u);
  int next[4] = {};
  for (const auto& [caller, n] : calls) EXPECT_EQ(n, next[caller]++) << "calls of a thread stay in order";
}

struct Queue {
  int waits(const Actor<Queue>& self) {
    auto later = self.call<&Queue::value>();
    manta::cancel(later);
    auto result = manta::try_get(later, 5s);
    return result ? 0 : static_cast<int>(result.error().code());
  }
  int value() { return 1; }
};
TEST_F(Local, ACallThatWaitsForItsTurnIsCancelled) {
  auto queue = manta::actor<Queue>();
  EXPECT_EQ(manta::get(queue.call<&Queue::waits>(queue)), static_cast<int>(ErrorCode::cancelled));
}

// --- generators and coroutines

std::atomic<bool> generator_ended{false};
Generator<int> numbers() {
  struct Ends {
    ~Ends() {
      generator_ended = true;
      generator_ended.notify_all();
    }
  } ends;
  for (int i = 0;; ++i) co_yield i;
}
TEST_F(Local, AnEndlessGeneratorRunsAsFarAsItIsRead) {
  {
    Stream<int> items = manta::remote<numbers>.options({.stream_buffer = 4})();
    for (int i = 0; i < 1000; ++i) ASSERT_EQ(items.next(), i);
  }
  generator_ended.wait(false);
}

struct Async {
  Task<int> twice(Ref<int> value) { co_return 2 * co_await value; }
  Task<int> later(int n) {
    co_await manta::sleep_for(20ms);
    order.push_back(n);
    co_return n;
  }
  Task<int> sleeps() {
    co_await manta::sleep_for(1h);
    co_return 0;
  }
  Task<std::vector<int>> all() { co_return order; }
  std::vector<int> order;
};
TEST_F(Local, CoroutinesOfAnActorWaitForEachOther) {
  auto actor = manta::actor<Async>();
  auto first = actor.call<&Async::later>(1);
  auto second = actor.call<&Async::twice>(actor.call<&Async::later>(2));
  EXPECT_EQ(manta::get(second, 20s), 4);
  EXPECT_EQ(manta::get(first, 20s), 1);
  EXPECT_THAT(manta::get(actor.call<&Async::all>(), 20s), ElementsAre(1, 2));
}

TEST_F(Local, ThreadsWithCoroutineActorsOfTheirOwn) {
  std::vector<std::jthread> threads;
  for (int caller = 0; caller < 4; ++caller) {
    threads.emplace_back([] {
      auto actor = manta::actor<Async>();
      for (int n = 0; n < 100; ++n) {
        auto value = manta::put(n);
        ASSERT_EQ(manta::get(actor.call<&Async::twice>(value), 20s), 2 * n);
        if (n % 25 != 0) continue;
        ASSERT_EQ(manta::get(actor.call<&Async::later>(n), 20s), n);
      }
    });
  }
}

// A coroutine that blocks holds up all other calls of its actor, and no other actor.
struct Blocks {
  Task<int> blocks(Actor<Async> other, Actor<Blocks> self) {
    inside = true;
    mine = self.call<&Blocks::value>();
    const int got = manta::get(other.call<&Async::later>(3), 20s);
    EXPECT_TRUE(inside);
    inside = false;
    co_return got;
  }
  Task<int> value() {
    EXPECT_FALSE(inside) << "on top of a call of the same actor";
    co_return 1;
  }
  bool inside = false;
  Ref<int> mine;
};
TEST_F(Local, ACoroutineThatBlocksHoldsUpItsActorAlone) {
  auto blocks = manta::actor<Blocks>();
  auto other = manta::actor<Async>();
  EXPECT_EQ(manta::get(blocks.call<&Blocks::blocks>(other, blocks), 20s), 3);
  EXPECT_EQ(manta::get(blocks.call<&Blocks::value>(), 20s), 1);
}

TEST_F(Local, CoroutinesOfAKilledActorEnd) {
  auto actor = manta::actor<Async>.options({.max_restarts = 1})();
  auto sleeps = actor.call<&Async::sleeps>();
  manta::kill(actor, {.restart = true});
  EXPECT_FALSE(manta::try_get(sleeps, 20s));
  EXPECT_EQ(manta::get(actor.call<&Async::later>(1), 20s), 1);
}

// A method that runs in another thread while its actor is killed keeps its arguments.
std::atomic<int> reading{0};
void begin_reading() {
  reading = 1;
  reading.notify_all();
}
struct Reads {
  std::uint64_t reads(const Words& words) {
    begin_reading();
    reading.wait(1);
    return sum(words);
  }
};
TEST_F(Local, AKilledActorEndsWhenItsMethodReturns) {
  reading = 0;
  auto actor = manta::actor<Reads>.options({.max_restarts = 1})();
  std::uint64_t read = 0;
  auto stored = manta::remote<words>(100'000);
  std::jthread caller([&, stored] { read = manta::get(actor.call<&Reads::reads>(stored), 20s); });
  reading.wait(0);
  manta::kill(actor);
  stored = manta::remote<words>(100'000);
  EXPECT_FALSE(manta::try_get(actor.call<&Reads::reads>(stored), 20s)) << "the actor is dead";
  reading = 2;
  reading.notify_all();
  caller.join();
  EXPECT_EQ(read, 300'000u);
}

struct Stops {
  int waits(std::stop_token stop) {
    std::atomic<bool> stopped{false};
    const std::stop_callback later(stop, [&] {
      squared = manta::remote<square_of>(3);
      stopped = true;
      stopped.notify_all();
    });
    begin_reading();
    stopped.wait(false);
    return 1;
  }
  int result() { return manta::get(squared, 20s); }
  static int square_of(int n) { return n * n; }
  Ref<int> squared;
};
// The thread that calls it has no Ref yet while it runs: it is cancelled with the task that has called it.
int calls_after(const Actor<Stops>& actor, int) { return manta::get(actor.call<&Stops::waits>()); }
TEST_F(Local, AStopCallbackMaySubmitATask) {
  reading = 0;
  auto actor = manta::actor<Stops>();
  auto held = manta::actor<Async>();
  auto task = manta::remote<calls_after>(actor, held.call<&Async::later>(1));
  std::jthread runs([&] { (void)manta::try_get(task, 20s); });
  reading.wait(0);
  manta::cancel(task, {.recursive = true});
  runs.join();
  EXPECT_EQ(manta::get(actor.call<&Stops::result>(), 20s), 9);
}

// --- whole programs

using manta::e2e::ProgramRun;
using manta::e2e::run_program;

struct Stuck {
  int waits(const Actor<Stuck>& self) {
    auto own = manta::try_get(self.call<&Stuck::value>(), 3s);
    return own ? 1 : 0;
  }
  int value() { return 1; }
};
int wait_for_itself() {
  auto stuck = manta::actor<Stuck>();
  return manta::get(stuck.call<&Stuck::waits>(stuck));
}
int leave_a_generator() {
  Stream<int> items = manta::remote<numbers>();
  return items.next().value_or(1);
}
// An actor's coroutine awaits, and a call waits behind a generator, when the program ends.
struct Ends {
  Task<int> awaits(Ref<int> never) { co_return co_await never; }
};
struct Makes {
  Generator<int> items() {
    for (int i = 0;; ++i) co_yield i;
  }
  int value() { return 1; }
};
int end_while_all_waits() {
  auto actor = manta::actor<Ends>();
  auto other = manta::actor<Async>();
  auto awaits = actor.call<&Ends::awaits>(other.call<&Async::sleeps>());
  auto made = manta::actor<Makes>();
  Stream<int> items = made.call<&Makes::items>();
  for (int i = 0; i < 10; ++i) (void)made.call<&Makes::value>();
  return items.next().value_or(1);
}
int end_with_actors() {
  static auto named = manta::actor<Counter>.options({.name = "named"})(1);
  return manta::get(named.call<&Counter::add>(-1));
}

TEST(LocalPrograms, ACallThatWaitsForItselfSaysSo) {
  const ProgramRun run = run_program({"--program=wait_for_itself"});
  EXPECT_TRUE(run.in_time);
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("call of Stuck::value waits: its actor is busy"));
}

TEST(LocalPrograms, EndWhileAGeneratorRuns) {
  const ProgramRun run = run_program({"--program=leave_a_generator"});
  EXPECT_TRUE(run.in_time);
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(run.err, "");
}

TEST(LocalPrograms, EndWhileCoroutinesAndCallsWait) {
  const ProgramRun run = run_program({"--program=end_while_all_waits"});
  EXPECT_TRUE(run.in_time);
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(run.err, "");
}

TEST(LocalPrograms, EndWithActorsThatLive) {
  const ProgramRun run = run_program({"--program=end_with_actors"});
  EXPECT_TRUE(run.in_time);
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(run.err, "");
}

TEST(LocalPrograms, DoNotListen) {
  const ProgramRun run = run_program({"--program=end_with_actors"}, {"MANTA_LISTEN=127.0.0.1:0"});
  EXPECT_EQ(run.status, 2);
  EXPECT_THAT(run.err, HasSubstr("MANTA_LOCAL=1 runs everything in this process"));
}

}  // namespace

int main(int argc, char** argv) {
  const std::pair<std::string, int (*)()> programs[] = {{"--program=wait_for_itself", wait_for_itself},
                                                        {"--program=leave_a_generator", leave_a_generator},
                                                        {"--program=end_while_all_waits", end_while_all_waits},
                                                        {"--program=end_with_actors", end_with_actors}};
  ::setenv("MANTA_LOCAL", "1", 1);
  main_thread = std::this_thread::get_id();
  for (const auto& [name, program] : programs) {
    if (argc < 2 || argv[1] != name) continue;
    auto runtime = manta::init(argc, argv);
    return program();
  }
  ::testing::InitGoogleTest(&argc, argv);
  auto runtime = manta::init(argc, argv, {.num_cpus = 2, .num_gpus = 0});
  return RUN_ALL_TESTS();
}
