// Ends of actors: the last handle, kill, death of the process, the owner or the constructor; restarts; names; threads.
#include <gtest/gtest.h>

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <manta/detail/weak_actor.h>
#include <manta/manta.h>

#include "tests/e2e/outside.h"
#include "tests/support/process.h"

namespace manta::e2e {
namespace {

using namespace std::chrono_literals;

template <class F>
ErrorCode code_of(F f) {
  try {
    f();
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::internal;
}

// Cells of the page: a test's own, counted by the constructor, the destructor and the calls.
enum : std::size_t { kMade = 100, kEnded, kProcess, kCalls, kDone };

struct Witness {
  Witness() {
    outside()[kProcess] = ::getpid();
    ++outside()[kMade];
  }
  ~Witness() { ++outside()[kEnded]; }
  int hello() { return static_cast<int>(++outside()[kCalls]); }
  void die() {
    ++outside()[kCalls];
    ::kill(::getpid(), SIGKILL);
  }
  // Dies the first `times` times that it is called, whichever process it is in.
  int die_at_first(int times) {
    if (++outside()[kCalls] <= times) ::kill(::getpid(), SIGKILL);
    return static_cast<int>(outside()[kCalls]);
  }
  void nap(int milliseconds) {
    ++outside()[kCalls];
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    ++outside()[kDone];
  }
};

struct ActorLife : ::testing::Test {
  ActorLife() { outside().clear(); }
};

TEST_F(ActorLife, EndsWithTheLastHandleAndTheDestructorRuns) {
  auto witness = actor<Witness>();
  (void)get(witness.call<&Witness::hello>());
  {
    const auto copy = witness;
    witness = {};
    (void)get(copy.call<&Witness::hello>());
    EXPECT_EQ(outside()[kEnded], 0);
  }
  ASSERT_TRUE(await_cell(kEnded, 1));
  const auto process = static_cast<pid_t>(outside()[kProcess]);
  EXPECT_TRUE(support::await_exit(process));
  EXPECT_EQ(outside()[kMade], 1);
}

TEST_F(ActorLife, AWeakActorFindsItAndKeepsNothingAlive) {
  auto witness = actor<Witness>();
  const detail::WeakActor weak(witness);
  (void)get(witness.call<&Witness::hello>());
  EXPECT_EQ(get(weak.lock().value().call<&Witness::hello>()), 2);
  EXPECT_EQ(weak.lock(), witness);
  witness = {};
  EXPECT_FALSE(weak.lock());
  ASSERT_TRUE(await_cell(kEnded, 1));

  const auto killed = actor<Witness>();
  const detail::WeakActor dead(killed);
  kill(killed);
  EXPECT_FALSE(dead.lock()) << "a dead actor is not found, though there is a handle";
}

TEST_F(ActorLife, CallsKeepItAlive) {
  Ref<int> last;
  {
    const auto witness = actor<Witness>();
    for (int i = 0; i < 10; ++i) witness.call<&Witness::nap>(1);
    last = witness.call<&Witness::hello>();
  }
  EXPECT_EQ(get(last), 11);
  EXPECT_EQ(outside()[kDone], 10);
  EXPECT_TRUE(await_cell(kEnded, 1));
}

TEST_F(ActorLife, AHandleThatIsDroppedAtOnceLeavesNothing) {
  for (int i = 0; i < 20; ++i) actor<Witness>();
  (void)get(actor<Witness>().call<&Witness::hello>());
  while (outside()[kMade] > outside()[kEnded]) std::this_thread::sleep_for(1ms);
}

Actor<Witness> pass(Actor<Witness> witness) { return witness; }
int greet(const std::vector<Actor<Witness>>& witnesses) { return get(witnesses.at(0).call<&Witness::hello>()); }

TEST_F(ActorLife, HandlesInValuesKeepItAlive) {
  auto witness = actor<Witness>();
  Ref<Actor<Witness>> held = remote<pass>(witness);
  auto later = remote<greet>(std::vector{witness});
  witness = {};
  EXPECT_EQ(get(later), 1);
  EXPECT_EQ(get(get(held).call<&Witness::hello>()), 2);
  EXPECT_EQ(outside()[kEnded], 0);
  held = {};
  EXPECT_TRUE(await_cell(kEnded, 1));
}

TEST_F(ActorLife, KillEndsItAtOnce) {
  const auto witness = actor<Witness>();
  (void)get(witness.call<&Witness::hello>());
  const auto nap = witness.call<&Witness::nap>(60'000);
  const auto behind = witness.call<&Witness::hello>();
  ASSERT_TRUE(await_cell(kCalls, 2));
  kill(witness);
  EXPECT_EQ(code_of([&] { (void)get(nap); }), ErrorCode::actor_died);
  EXPECT_EQ(code_of([&] { (void)get(behind); }), ErrorCode::actor_died);
  EXPECT_EQ(code_of([&] { (void)get(witness.call<&Witness::hello>()); }), ErrorCode::actor_died);
  EXPECT_EQ(outside()[kEnded], 0);
}

void kill_it(Actor<Witness> witness, bool restart) { kill(witness, {.restart = restart}); }

TEST_F(ActorLife, AnyHolderOfAHandleMayKill) {
  const auto witness = actor<Witness>();
  (void)get(witness.call<&Witness::hello>());
  (void)get(remote<kill_it>(witness, false));
  while (code_of([&] { (void)get(witness.call<&Witness::hello>()); }) != ErrorCode::actor_died) {
  }
}

TEST_F(ActorLife, WithoutRestartsDeathIsForGood) {
  const auto witness = actor<Witness>();
  const auto fatal = witness.call<&Witness::die>();
  const auto behind = witness.call<&Witness::hello>();
  EXPECT_EQ(code_of([&] { (void)get(fatal); }), ErrorCode::actor_died);
  EXPECT_EQ(code_of([&] { (void)get(behind); }), ErrorCode::actor_died);
  EXPECT_EQ(outside()[kMade], 1);
  EXPECT_EQ(outside()[kCalls], 1);
}

TEST_F(ActorLife, RestartsRunTheConstructorAgain) {
  const auto witness = actor<Witness>.options({.max_restarts = 2})();
  for (int life = 1; life <= 2; ++life) {
    const auto fatal = witness.call<&Witness::die>();
    const auto behind = witness.call<&Witness::hello>();  // had not started: goes to the next life
    EXPECT_EQ(code_of([&] { (void)get(fatal); }), ErrorCode::unavailable);
    EXPECT_EQ(get(behind), 2 * life);
    EXPECT_EQ(outside()[kMade], life + 1);
  }
  EXPECT_EQ(code_of([&] { (void)get(witness.call<&Witness::die>()); }), ErrorCode::actor_died);
  EXPECT_EQ(code_of([&] { (void)get(witness.call<&Witness::hello>()); }), ErrorCode::actor_died);
}

TEST_F(ActorLife, StartedCallsAreRepeatedOnlyIfAllowed) {
  const auto witness = actor<Witness>.options({.max_restarts = -1, .max_task_retries = 2})();
  EXPECT_EQ(get(witness.call<&Witness::die_at_first>(2)), 3);
  EXPECT_EQ(outside()[kMade], 3);
  outside()[kCalls] = 0;
  EXPECT_EQ(code_of([&] { (void)get(witness.call<&Witness::die_at_first>(3)); }), ErrorCode::unavailable);
  EXPECT_EQ(outside()[kCalls], 3);
  // It starts again all the same: before another test counts its own.
  EXPECT_EQ(get(witness.call<&Witness::hello>()), 4);
  EXPECT_EQ(outside()[kMade], 6);
}

int die_through(Actor<Witness> witness, int times) { return get(witness.call<&Witness::die_at_first>(times)); }

TEST_F(ActorLife, OtherCallersFollowItToItsNextLife) {
  const auto witness = actor<Witness>.options({.max_restarts = -1, .max_task_retries = -1})();
  EXPECT_EQ(get(remote<die_through>(witness, 3)), 4);
  EXPECT_EQ(outside()[kMade], 4);
}

TEST_F(ActorLife, KillWithRestart) {
  const auto witness = actor<Witness>.options({.max_restarts = 1})();
  (void)get(witness.call<&Witness::hello>());
  kill(witness, {.restart = true});
  EXPECT_EQ(get(witness.call<&Witness::hello>()), 2);
  EXPECT_EQ(outside()[kMade], 2);
}

TEST_F(ActorLife, SoonBackAfterKill9) {
  const auto witness = actor<Witness>.options({.max_restarts = -1})();
  for (int i = 0; i < 6; ++i) {
    (void)get(witness.call<&Witness::hello>());
    ::kill(static_cast<pid_t>(outside()[kProcess]), SIGKILL);
    for (;;) {  // a call may be under way when it dies
      try {
        (void)get(witness.call<&Witness::hello>());
        break;
      } catch (const Error& error) {
        ASSERT_EQ(error.code(), ErrorCode::unavailable) << error.what();
      }
    }
  }
}

struct Broken {
  explicit Broken(int) { throw std::runtime_error("will not be built"); }
  int value() const { return 1; }
};

int use_broken(Actor<Broken> broken) { return get(broken.call<&Broken::value>()); }

TEST_F(ActorLife, OtherCallersHearOfABrokenConstructor) {
  const auto broken = actor<Broken>(1);
  EXPECT_EQ(code_of([&] { (void)get(remote<use_broken>(broken)); }), ErrorCode::task_failed);
}

int fail_early() { throw std::runtime_error("no argument"); }
struct Numbered {
  explicit Numbered(int n) : number(n) {}
  int get() const { return number; }
  int number;
};

TEST_F(ActorLife, AFailedArgumentOfTheConstructorArrivesWithTheCalls) {
  const auto numbered = actor<Numbered>(remote<fail_early>.options({.max_retries = 0})());
  EXPECT_EQ(code_of([&] { (void)get(numbered.call<&Numbered::get>()); }), ErrorCode::task_failed);
}

TEST_F(ActorLife, InfeasibleRequestsSaySo) {
  const auto numbered = actor<Numbered>.options({.num_cpus = 1000})(1);
  EXPECT_EQ(code_of([&] { (void)get(numbered.call<&Numbered::get>()); }), ErrorCode::invalid_argument);
}

Actor<Witness> owned_by_a_worker() { return actor<Witness>(); }
struct Owner {
  Actor<Witness> make() { return made = actor<Witness>(); }
  void die() { ::kill(::getpid(), SIGKILL); }
  Actor<Witness> made;
};

TEST_F(ActorLife, DiesWithTheProcessThatMadeIt) {
  const auto owner = actor<Owner>();
  const auto witness = get(owner.call<&Owner::make>());
  EXPECT_EQ(get(witness.call<&Witness::hello>()), 1);
  owner.call<&Owner::die>();
  ASSERT_TRUE(await_cell(kEnded, 1));  // nothing of it ran: the destructor does
  while (code_of([&] { (void)get(witness.call<&Witness::hello>()); }) != ErrorCode::actor_died) {
  }
}

TEST_F(ActorLife, ATasksActorLivesAsLongAsItsHandle) {
  auto witness = get(remote<owned_by_a_worker>());
  EXPECT_EQ(get(witness.call<&Witness::hello>()), 1);
  witness = {};
  EXPECT_TRUE(await_cell(kEnded, 1));
}

// --- names

int hello_by_name(const std::string& name) {
  const auto found = find_actor<Witness>(name);
  return found ? get(found->call<&Witness::hello>()) : -1;
}

TEST_F(ActorLife, NamesAreFoundWhileItLives) {
  auto witness = actor<Witness>.options({.name = "witness"})();
  EXPECT_EQ(get(remote<hello_by_name>("witness")), 1);
  EXPECT_EQ(get(find_actor<Witness>("witness")->call<&Witness::hello>()), 2);
  EXPECT_FALSE(find_actor<Witness>("nobody"));
  EXPECT_EQ(code_of([] { (void)find_actor<Owner>("witness"); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([] { actor<Witness>.options({.name = "witness"})(); }), ErrorCode::invalid_argument);
  const auto same = actor<Witness>.options({.name = "witness", .get_if_exists = true})();
  EXPECT_EQ(same, witness);
  EXPECT_EQ(outside()[kMade], 1);
  kill(witness);
  EXPECT_FALSE(find_actor<Witness>("witness"));
  witness = actor<Witness>.options({.name = "witness"})();
  EXPECT_EQ(get(remote<hello_by_name>("witness")), 3);
}

int get_or_make(int n) {
  const auto one = actor<Witness>.options({.name = "shared", .get_if_exists = true})();
  (void)get(one.call<&Witness::hello>());
  outside()[200 + static_cast<std::size_t>(n)] = 1;
  return static_cast<int>(await_cell(200 + static_cast<std::size_t>(1 - n), 1));  // keep the handle until both have it
}

TEST_F(ActorLife, GetIfExistsMakesOne) {
  const auto a = remote<get_or_make>(0), b = remote<get_or_make>(1);
  EXPECT_EQ(get(a) + get(b), 2);
  EXPECT_EQ(outside()[kMade], 1);
}

TEST_F(ActorLife, ANameIsFreeWhenTheHandleIsGone) {
  for (int i = 0; i < 20; ++i) {
    const auto witness = actor<Witness>.options({.name = "again"})();
    EXPECT_EQ(get(witness.call<&Witness::hello>()), i + 1);
  }
}

// --- several threads

struct Gate {
  void wait() {
    std::unique_lock lock(mutex);
    ++waiting;
    opened.wait(lock, [&] { return open; });
    threads.insert(std::this_thread::get_id());
  }
  void let_in() {
    const std::lock_guard lock(mutex);
    open = true;
    opened.notify_all();
  }
  int waiting_now() {
    const std::lock_guard lock(mutex);
    return waiting;
  }
  std::mutex mutex;
  std::condition_variable opened;
  bool open = false;
  int waiting = 0;
  std::set<std::thread::id> threads;
};

TEST_F(ActorLife, MaxConcurrencyRunsMethodsSideBySide) {
  const auto gate = actor<Gate>.options({.max_concurrency = 5})();
  std::vector<Ref<void>> waiting;
  for (int i = 0; i < 4; ++i) waiting.push_back(gate.call<&Gate::wait>());
  while (get(gate.call<&Gate::waiting_now>()) < 4) std::this_thread::sleep_for(1ms);  // done before older calls
  for (const auto& ref : waiting) EXPECT_FALSE(ref.ready());
  (void)get(gate.call<&Gate::let_in>());
  for (const auto& ref : waiting) get(ref);
  EXPECT_EQ(get(gate.call<[](Gate& g) { return static_cast<int>(g.threads.size()); }>()), 4);
}

// More calls of one caller than its ring has places, while the first ones still run.
TEST_F(ActorLife, LongCallsDoNotHoldUpThoseBesideThem) {
  const auto gate = actor<Gate>.options({.max_concurrency = 3})();
  const Ref<void> first = gate.call<&Gate::wait>();
  for (int i = 0; i < 2500; ++i) EXPECT_LE(get(gate.call<&Gate::waiting_now>()), 1);
  const Ref<void> second = gate.call<&Gate::wait>();
  for (int round = 0; round < 3; ++round) {
    std::vector<Ref<int>> ahead;
    for (int i = 0; i < 1500; ++i) ahead.push_back(gate.call<&Gate::waiting_now>());
    for (const auto& ref : ahead) EXPECT_LE(get(ref), 2);
  }
  EXPECT_FALSE(first.ready());
  EXPECT_FALSE(second.ready());
  (void)get(gate.call<&Gate::let_in>());
  get(first);
  get(second);
}

struct Echo {
  std::string say(const std::string& what) { return what; }
};

int many_echoes(Actor<Echo> echo, int n, int size) {
  std::vector<Ref<std::string>> said;
  for (int i = 0; i < n; ++i) said.push_back(echo.call<&Echo::say>(std::string(static_cast<std::size_t>(size), 'x')));
  int total = 0;
  for (const auto& ref : said) total += static_cast<int>(get(ref).size());
  return total;
}

TEST_F(ActorLife, ManyCallersOfManyThreads) {
  const auto echo = actor<Echo>.options({.max_concurrency = 4})();
  std::vector<Ref<int>> callers;
  for (const int size : {10, 1000, 10, 1000}) callers.push_back(remote<many_echoes>(echo, 3000, size));
  EXPECT_EQ(get(callers[0]), 30'000);
  EXPECT_EQ(get(callers[1]), 3'000'000);
  EXPECT_EQ(get(callers[2]), 30'000);
  EXPECT_EQ(get(callers[3]), 3'000'000);
}

}  // namespace
}  // namespace manta::e2e
