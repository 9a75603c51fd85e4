// Everything at once: trees of tasks, ordinary and coroutine actors, streams and a sharded parameter server, each in a
// thread of the driver, while workers and zygotes are killed at random.
//
// Checked: every result is right, or its error is one that a death may cause where nothing is retried; streams bring
// each item once and in order; parameters are the exact sum of all gradients, though pushes are repeated; and in the
// end memory, descriptors, mappings and processes are what they were in the beginning.
//
//   stress_everything [--seconds=60] [--seed=N]
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <manta/manta.h>

#include "tests/stress/chaos.h"
#include "tests/stress/effects.h"
#include "tests/stress/watchdog.h"

namespace {

using manta::Actor;
using manta::Error;
using manta::ErrorCode;
using manta::Ref;
using manta::stress::Effects;
using manta::stress::Family;
using manta::stress::Holdings;
using manta::stress::Killer;
using namespace std::chrono_literals;
using Number = std::int64_t;
using Numbers = std::vector<std::int32_t>;

constexpr std::uint32_t kAtWork = 0;  // the mark with the process that had work last

void at_work() { Effects::mark(kAtWork) = static_cast<std::uint32_t>(::getpid()); }

// --- tasks

constexpr manta::TaskOptions kForEver{.max_retries = -1};

Number leaf(Number n, int us) {
  at_work();
  std::this_thread::sleep_for(std::chrono::microseconds(us));
  return n;
}
Number tree(Number first, int depth, int us) {
  if (depth == 0) return leaf(first, us);
  std::vector<Ref<Number>> refs;
  for (Number i = 0; i < 3; ++i) refs.push_back(manta::remote<tree>.options(kForEver)(first + i, depth - 1, us));
  const std::vector<Number> values = manta::get(refs);
  return std::accumulate(values.begin(), values.end(), Number{0});
}
manta::Task<Number> sum_of(Ref<Number> a, Ref<Number> b) {
  at_work();
  co_return co_await a + co_await b;
}
Numbers filled(int n) {
  at_work();
  return Numbers(static_cast<std::size_t>(n), n);
}
Number total(const Numbers& numbers) { return std::accumulate(numbers.begin(), numbers.end(), Number{0}); }
Number fails(Number n) { throw std::domain_error("E" + std::to_string(n)); }

// --- actors

struct Counter {
  Number add(Number n) {
    at_work();
    return value += n;
  }
  Number value = 0;
};
struct Relay {
  manta::Task<Number> ask(Ref<Number> ref, int us) {
    at_work();
    co_await manta::sleep_for(std::chrono::microseconds(us));
    co_return co_await ref + 1;
  }
};

// --- streams

manta::Generator<Numbers> counts(int first, int items, int size) {
  for (int i = 0; i < items; ++i) {
    at_work();
    Numbers item(static_cast<std::size_t>(size), first + i);
    co_yield manta::moved(item);
  }
}
struct Source {
  manta::Generator<Number> from(Number first) {
    for (Number n = first;; ++n) {
      at_work();
      co_yield n;
    }
  }
};

// --- the parameter server

using Push = std::pair<int, int>;  // trainer, step

// A push that is repeated counts once.
struct Shard {
  explicit Shard(int n) : parameters(static_cast<std::size_t>(n), 0) {}
  Numbers pull() {
    at_work();
    return parameters;
  }
  void push(const Push& push, const Numbers& gradient) {
    at_work();
    if (!seen.insert(push).second) return;
    for (std::size_t i = 0; i < parameters.size(); ++i) parameters[i] += gradient[i];
  }
  Numbers parameters;
  std::set<Push> seen;
};
struct Trainer {
  // One step. Its gradient is the same wherever it runs; a large one, so that it lies in the store.
  int step(const std::vector<Actor<Shard>>& shards, int trainer, int step) {
    at_work();
    std::vector<Ref<Numbers>> pulled;
    for (const auto& shard : shards) pulled.push_back(shard.call<&Shard::pull>());
    std::vector<Ref<void>> pushed;
    for (std::size_t i = 0; i < shards.size(); ++i) {
      const std::size_t n = manta::get(pulled[i]).size();
      pushed.push_back(shards[i].call<&Shard::push>(Push{trainer, step}, manta::put(Numbers(n, trainer + step))));
    }
    for (const auto& push : pushed) manta::get(push);
    return step;
  }
};

// --- the run

std::atomic<long> wrong{0};

void complain(const std::string& what) {
  if (++wrong <= 20) std::fprintf(stderr, "WRONG: %s\n", what.c_str());
}

// What a death may bring where nothing is retried, or where the actor does not start again.
bool by_death(const Error& error) {
  return error.code() == ErrorCode::worker_died || error.code() == ErrorCode::actor_died ||
         error.code() == ErrorCode::unavailable || error.code() == ErrorCode::object_lost;
}

class Lane {
 public:
  Lane(std::string name, void (Lane::*round)(), std::uint64_t seed, const std::atomic<bool>& stop)
      : name_(std::move(name)), random_(seed), thread_([this, round, &stop] {
          while (!stop) run(round);
        }) {}
  ~Lane() { thread_.join(); }
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  void print() const { std::printf("%s %ld (%ld met a death)  ", name_.c_str(), rounds_.load(), deaths_.load()); }

  void tasks();
  void actors();
  void streams();
  void parameter_server();

 private:
  void run(void (Lane::*round)()) {
    try {
      (this->*round)();
    } catch (const Error& error) {
      by_death(error) ? ++deaths_ : (complain(name_ + ": " + error.what()), 0);
    }
    ++rounds_;
    watchdog_.progress();
  }
  int below(int n) { return static_cast<int>(random_() % static_cast<std::uint64_t>(n)); }
  void expect(Number value, Number expected, const char* what) {
    if (value == expected) return;
    complain(name_ + ": " + what + " is " + std::to_string(value) + ", not " + std::to_string(expected));
  }
  // Of what is retried for ever.
  template <class T>
  T certain(const Ref<T>& ref, const char* what) {
    auto value = manta::try_get(ref);
    if (value) return *std::move(value);
    complain(name_ + ": " + what + " failed: " + value.error().what());
    return {};
  }

  const std::string name_;
  std::atomic<long> rounds_{0}, deaths_{0};
  std::mt19937_64 random_;
  manta::stress::Watchdog watchdog_;
  std::thread thread_;
};

void Lane::tasks() {
  const int depth = 1 + below(3), us = below(300), size = below(2) == 0 ? 10 : 50'000;
  const Number nodes = depth == 1 ? 3 : depth == 2 ? 9 : 27;
  const auto root = manta::remote<tree>.options(kForEver)(Number{7}, depth, us);
  const auto both = manta::remote<sum_of>.options(kForEver)(root, manta::remote<leaf>.options(kForEver)(Number{1}, us));
  const auto numbers = manta::remote<filled>.options(kForEver)(size);
  const auto all = manta::remote<total>.options(kForEver)(numbers);
  const auto failing = manta::remote<fails>.options(kForEver)(Number{depth});
  const auto once = manta::remote<leaf>.options({.max_retries = 0})(Number{5}, us);
  const Number sum = 7 * nodes + nodes * depth;
  expect(certain(root, "a tree"), sum, "a tree");
  expect(certain(both, "a coroutine"), sum + 1, "a coroutine");
  expect(certain(all, "a total"), Number{size} * size, "a total");
  const auto error = manta::try_get(failing);
  if (error || error.error().code() != ErrorCode::task_failed) complain("tasks: what throws did not fail as it should");
  expect(manta::get(once), 5, "a task without retries");
}

void Lane::actors() {
  const auto counter = manta::actor<Counter>();
  const auto relay = manta::actor<Relay>.options({.max_restarts = -1, .max_task_retries = -1})();
  std::vector<Ref<Number>> counted, asked;
  for (Number i = 1; i <= 1 + below(100); ++i) {
    counted.push_back(counter.call<&Counter::add>(i));
    asked.push_back(relay.call<&Relay::ask>(counted.back(), below(500)));
  }
  Number sum = 0;
  bool dead = false;
  for (std::size_t i = 0; i < counted.size(); ++i) {
    sum += static_cast<Number>(i) + 1;
    const auto value = manta::try_get(counted[i]);
    const auto plus_one = manta::try_get(asked[i]);
    if (value && dead) complain("actors: a dead actor answered");
    dead = !value;
    if (value) expect(*value, sum, "a count");
    if (value && plus_one) expect(*plus_one, sum + 1, "a relayed count");
    if (value && !plus_one && !by_death(plus_one.error())) complain(std::string("actors: ") + plus_one.error().what());
    if (!value && plus_one) complain("actors: a lost count was relayed");
  }
  if (dead) (void)manta::get(counted.back());
}

void Lane::streams() {
  const int first = below(1000), size = below(3) == 0 ? 30'000 : 1 + below(20);
  const int items = 1 + below(size > 1000 ? 40 : 200);
  const auto buffer = static_cast<std::uint32_t>(1 + below(20));
  auto stream = manta::remote<counts>.options({.max_retries = -1, .stream_buffer = buffer})(first, items, size);
  const auto source = manta::actor<Source>.options({.max_restarts = -1, .max_task_retries = -1})();
  auto endless = source.options({.stream_buffer = buffer}).call<&Source::from>(Number{first});
  const int until = below(3) == 0 ? below(items + 1) : items;  // then it is dropped
  for (int i = 0; i < until; ++i) {
    const auto item = stream.next();
    if (!item) return complain("streams: it ended before item " + std::to_string(i));
    if (*item != Numbers(static_cast<std::size_t>(size), first + i)) complain("streams: an item has another value");
    const auto number = endless.next();
    if (!number) return complain("streams: an endless one ended");
    expect(*number, first + i, "an item");
    if (below(20) == 0) std::this_thread::sleep_for(std::chrono::microseconds(below(2000)));
  }
  if (until == items && stream.next()) complain("streams: it did not end");
}

// A shard that dies takes its parameters along: the round ends. Trainers start again.
void Lane::parameter_server() {
  const int n = below(2) == 0 ? 50 : 60'000, trainers = 2, steps = 1 + below(15);
  std::vector<Actor<Shard>> shards{manta::actor<Shard>(n), manta::actor<Shard>(n + 1)};
  std::vector<Actor<Trainer>> workers;
  for (int t = 0; t < trainers; ++t) {
    workers.push_back(manta::actor<Trainer>.options({.max_restarts = -1, .max_task_retries = -1})());
  }
  std::vector<Ref<int>> done;
  Number sum = 0;
  for (int step = 1; step <= steps; ++step) {
    for (int t = 0; t < trainers; ++t) {
      done.push_back(workers[static_cast<std::size_t>(t)].call<&Trainer::step>(shards, t, step));
      sum += t + step;
    }
  }
  for (const auto& ref : done) {
    const auto step = manta::try_get(ref);
    if (step) continue;
    // What the trainer's own get() threw arrives as a task's failure; its cause is the shard's death.
    const std::string why = step.error().what();
    if (!by_death(step.error()) && why.find("was killed by signal 9") == std::string::npos)
      complain("parameter server: " + why);
    throw Error(ErrorCode::actor_died, why);
  }
  for (const auto& shard : shards) {
    for (const Number parameter : manta::get(shard.call<&Shard::pull>())) expect(parameter, sum, "a parameter");
  }
}

// Each worker has a channel then, and its memory is known here.
void use_all_workers() {
  std::vector<Ref<Number>> refs{manta::remote<total>.options(kForEver)(manta::put(Numbers(50'000, 1)))};
  for (int i = 0; i < 40; ++i) refs.push_back(manta::remote<leaf>.options(kForEver)(Number{i}, 2000));
  (void)manta::get(refs);
}

// Leases are returned, borrowed objects given back, surplus workers ended.
void settle(int node, const Holdings& before) {
  manta::stress::Watchdog watchdog(80s, [] { std::fprintf(stderr, "while holdings fell\n"); });
  const auto limit = std::chrono::steady_clock::now() + 40s;
  Holdings after{};
  do {
    use_all_workers();
    std::this_thread::sleep_for(100ms);
    after = Holdings::now(node);
  } while (!after.within(before) && std::chrono::steady_clock::now() < limit);
  after.print("after");
  if (!after.within(before)) complain("more is held than before");
}

}  // namespace

int main(int argc, char** argv) {
  Effects::prepare();
  auto runtime = manta::init(argc, argv, {.num_cpus = 3, .num_gpus = 0});
  const double seconds = manta::stress::option(argc, argv, "seconds", 60);
  std::mt19937_64 seeds(manta::stress::seed_of(argc, argv));
  const int node = Family::node_process();
  for (int i = 0; i < 3; ++i) use_all_workers();
  const Holdings before = Holdings::now(node);
  before.print("before");
  {
    std::atomic<bool> stop{false};
    Killer killer(seeds(), {10ms, 150ms}, kAtWork);
    Lane tasks("trees", &Lane::tasks, seeds(), stop), actors("actors", &Lane::actors, seeds(), stop),
        streams("streams", &Lane::streams, seeds(), stop),
        parameters("parameter servers", &Lane::parameter_server, seeds(), stop);
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    while (std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::min(std::chrono::duration<double>(10), std::chrono::duration<double>(seconds)));
      std::printf("%d kills: ", Killer::kills());
      for (const Lane* lane : {&tasks, &actors, &streams, &parameters}) lane->print();
      std::printf(" %ld wrong\n", wrong.load());
      std::fflush(stdout);
    }
    killer.stop();  // first, as in actors.cc
    stop = true;
  }
  settle(node, before);
  std::printf("%d kills, %ld wrong\n", Killer::kills(), wrong.load());
  runtime.shutdown();
  if (Family::mappings(::getpid()) != 0) complain("mappings are left after the end");
  if (Family::count(::getpid()) != 0) complain("processes are left after the end");
  return wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
