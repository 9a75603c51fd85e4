// Mixed tasks on several threads of the driver, while workers and zygotes are killed at random every 20-300 ms.
//
// What each task did is recorded outside of Manta. Checked: every task resolves once, with the right value or a right
// error; one without retries runs at most once, others at most retries + 1 times; a kill costs at most the one task
// that its worker ran; and in the end memory, descriptors, mappings and processes are what they were in the beginning.
//
//   stress_kills [--seconds=60] [--kills=200] [--threads=2] [--seed=N]
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <manta/manta.h>

#include "tests/stress/chaos.h"
#include "tests/stress/effects.h"
#include "tests/stress/watchdog.h"

namespace {

using manta::Error;
using manta::ErrorCode;
using manta::Ref;
using manta::stress::Effects;
using manta::stress::Family;
using manta::stress::Holdings;
using manta::stress::Killer;
using namespace std::chrono_literals;
using Number = std::int64_t;
using Numbers = std::vector<int>;
using TaskNumber = std::uint32_t;

// --- the tasks

struct Effect {
  explicit Effect(TaskNumber number) : task(number) { Effects::started(task); }
  ~Effect() { Effects::ended(task); }
  TaskNumber task;
};

void pass_time(int us) {
  if (us > 1000) return std::this_thread::sleep_for(std::chrono::microseconds(us - 1000));
  const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(us);
  while (std::chrono::steady_clock::now() < end) {
  }
}
Number flat(TaskNumber task, Number x, int us) {
  const Effect effect(task);
  pass_time(us);
  return x + 1;
}
Number add(TaskNumber task, Number a, Number b) {
  const Effect effect(task);
  return a + b;
}
Numbers fill(TaskNumber task, int n) {
  const Effect effect(task);
  return Numbers(static_cast<std::size_t>(n), n);
}
Number total(TaskNumber task, const Numbers& numbers) {
  const Effect effect(task);
  Number sum = 0;
  for (const int x : numbers) sum += x;
  return sum;
}
Number throws(TaskNumber task, int until_start) {
  const Effect effect(task);
  if (static_cast<int>(Effects::starts(task)) >= until_start) return until_start;
  throw std::runtime_error("E" + std::to_string(task));
}
// Its children are the tasks behind it.
Number parent(TaskNumber task, int children, int us) {
  const Effect effect(task);
  std::vector<Ref<Number>> refs;
  for (int i = 1; i <= children; ++i) {
    refs.push_back(manta::remote<flat>.options({.max_retries = -1})(task + static_cast<TaskNumber>(i), i, us));
  }
  Number sum = 0;
  for (const Number x : manta::get(refs)) sum += x;
  return sum;
}
// Hands out a reference to a task of its own, which goes with the worker if that dies.
Ref<Number> shares(TaskNumber task, int us) {
  const Effect effect(task);
  return manta::remote<flat>.options({.max_retries = -1})(task + 1, Number{task}, us);
}

// --- the run

std::atomic<TaskNumber> next_task{0};
std::atomic<long> resolved{0}, failed{0}, lost{0}, extra_starts{0}, wrong{0};

void complain(const std::string& what) {
  if (++wrong <= 20) std::fprintf(stderr, "WRONG: %s\n", what.c_str());
}

struct Item {
  enum Kind { kFlat, kAdd, kFill, kTotal, kThrows, kParent, kLends, kKinds };
  Kind kind;
  TaskNumber task;
  int retries;  // -1: for ever
  Number expected = 0;
  int children = 0;
  std::vector<std::size_t> needs;  // items whose results are arguments
  Ref<Number> number = {};
  Ref<Numbers> numbers = {};
  Ref<Ref<Number>> shared = {};
  std::string error = {};
};

class Lane {
 public:
  explicit Lane(std::uint64_t seed) : random_(seed) {}

  void run(const std::atomic<bool>& stop) {
    while (!stop && next_task < Effects::kTasks - 1'000'000) batch();
  }
  std::size_t open() const { return items_.size(); }

 private:
  int below(int n) { return static_cast<int>(random_() % static_cast<std::uint64_t>(n)); }
  static TaskNumber take(int tasks) { return next_task.fetch_add(static_cast<TaskNumber>(tasks)); }

  void batch() {
    items_.clear();
    const int size = below(10) == 0 ? 600 : 1 + below(60);
    const Ref<Numbers> put = manta::put(Numbers(static_cast<std::size_t>(below(3) == 0 ? 50'000 : 10), 3));
    const Number put_total = static_cast<Number>(manta::get(put).size()) * 3;
    for (int i = 0; i < size; ++i) submit(put, put_total);
    if (below(3) == 0) wait_for_some();
    for (Item& item : items_) {
      check(item);
      watchdog_.progress();
    }
    items_.clear();
  }

  void submit(const Ref<Numbers>& put, Number put_total) {
    constexpr int kRetries[] = {0, 1, 3, -1};
    Item item{static_cast<Item::Kind>(below(Item::kKinds)), 0, kRetries[below(4)]};
    const int us = below(4) == 0 ? below(2000) : below(20);
    item.children = item.kind == Item::kParent ? 1 + below(4) : item.kind == Item::kLends ? 1 : 0;
    item.task = take(1 + item.children);
    manta::TaskOptions options{.max_retries = item.retries};
    switch (item.kind) {
      case Item::kAdd: {
        const std::size_t a = random_number(), b = random_number();
        if (a < items_.size() && b < items_.size()) {
          item.needs = {a, b};
          item.expected = items_[a].expected + items_[b].expected;
          item.number = manta::remote<add>.options(options)(item.task, items_[a].number, items_[b].number);
          break;
        }
        item.kind = Item::kFlat;
        [[fallthrough]];
      }
      case Item::kFlat:
        item.expected = item.task + 1;
        item.number = manta::remote<flat>.options(options)(item.task, Number{item.task}, us);
        break;
      case Item::kFill: {
        constexpr int kSizes[] = {1, 15, 2'000, 40'000};
        const int n = kSizes[below(4)];
        item.expected = Number{n} * n;
        item.numbers = manta::remote<fill>.options(options)(item.task, n);
        break;
      }
      case Item::kTotal:
        if (!items_.empty() && items_.back().kind == Item::kFill) {
          item.needs = {items_.size() - 1};
          item.expected = items_.back().expected;
          item.number = manta::remote<total>.options(options)(item.task, items_.back().numbers);
        } else {
          item.expected = put_total;
          item.number = manta::remote<total>.options(options)(item.task, put);
        }
        break;
      case Item::kThrows:
        options.retry_exceptions = item.retries == -1;
        item.expected = item.retries == -1 ? 2 : 0;
        item.number = manta::remote<throws>.options(options)(item.task, item.retries == -1 ? 2 : 1'000'000);
        break;
      case Item::kParent:
        item.expected = item.children * (item.children + 3) / 2;
        item.number = manta::remote<parent>.options(options)(item.task, item.children, us);
        break;
      default:
        item.expected = Number{item.task} + 1;
        item.shared = manta::remote<shares>.options(options)(item.task, us);
        break;
    }
    items_.push_back(std::move(item));
  }

  // An earlier item that is a number; items_.size(): none was found.
  std::size_t random_number() {
    for (int n = 0; n < 5 && !items_.empty(); ++n) {
      const auto i = static_cast<std::size_t>(below(static_cast<int>(items_.size())));
      if (items_[i].number) return i;
    }
    const bool first = !items_.empty() && items_[0].number;
    return first ? 0 : items_.size();
  }

  void wait_for_some() {
    std::vector<Ref<Number>> refs;
    for (const Item& item : items_) {
      if (item.number && below(2) == 0) refs.push_back(item.number);
    }
    if (refs.empty()) return;
    if (below(2) == 0) {
      const std::size_t count = 1 + static_cast<std::size_t>(below(static_cast<int>(refs.size())));
      if (manta::wait(refs, {.count = count}) != count) complain("wait returned early");
      return;
    }
    std::size_t seen = 0;
    for (const auto& ref : manta::as_completed(refs)) seen += ref.ready();
    if (seen != refs.size())
      complain("as_completed gave " + std::to_string(seen) + " of " + std::to_string(refs.size()));
  }

  void check(Item& item) {
    const std::string name = "task " + std::to_string(item.task) + " (kind " + std::to_string(item.kind) +
                             ", retries " + std::to_string(item.retries) + ", started " +
                             std::to_string(Effects::starts(item.task)) + ")";
    ErrorCode code{};
    try {
      Number value = 0;
      if (item.number) {
        value = manta::get(item.number);
      } else if (item.numbers) {
        for (const int x : manta::get(item.numbers)) value += x;
      } else {
        value = check_borrowed(manta::get(item.shared), item);
      }
      if (value != item.expected) {
        complain(name + " returned " + std::to_string(value) + ", not " + std::to_string(item.expected));
      }
    } catch (const Error& error) {
      code = error.code();
      item.error = error.what();
    }
    ++resolved;
    check_effects(item, name, code);
  }

  Number check_borrowed(const Ref<Number>& inner, const Item& item) {
    const auto value = manta::try_get(inner);
    if (value) return *value;
    if (value.error().code() != ErrorCode::object_lost)
      complain(std::string("borrowed reference: ") + value.error().what());
    ++lost;
    return item.expected;
  }

  void check_effects(const Item& item, const std::string& name, ErrorCode code) {
    const std::uint32_t starts = Effects::starts(item.task), ends = Effects::ends(item.task);
    const bool ok = item.error.empty();
    const auto failed_need = [&](std::size_t need) { return !items_[need].error.empty(); };
    if (std::any_of(item.needs.begin(), item.needs.end(), failed_need)) {
      if (ok || starts != 0) complain(name + " ran although an argument of it had failed");
      const auto same = [&](std::size_t need) { return items_[need].error == item.error; };
      if (std::none_of(item.needs.begin(), item.needs.end(), same))
        complain(name + ": not an argument's: " + item.error);
      return;
    }
    if (item.retries >= 0 && starts > static_cast<std::uint32_t>(item.retries) + 1) complain(name + " ran too often");
    if (ok) {
      if (starts == 0 || ends == 0) complain(name + " has a result, but did not run to its end");
      if (item.kind == Item::kThrows && item.retries >= 0) complain(name + " did not throw");
    } else if (code == ErrorCode::task_failed) {
      const bool right =
          item.kind == Item::kThrows && item.error.find("E" + std::to_string(item.task)) != std::string::npos;
      if (!right) complain(name + ": " + item.error);
    } else {
      ++failed;
      if (code != ErrorCode::worker_died || item.retries < 0) complain(name + ": " + item.error);
    }
    const auto expected_starts = item.kind == Item::kThrows && item.retries < 0 ? 2U : 1U;
    if (starts > expected_starts) extra_starts += starts - expected_starts;
    for (int i = 1; ok && item.kind == Item::kParent && i <= item.children; ++i) {
      const TaskNumber child = item.task + static_cast<TaskNumber>(i);
      if (Effects::ends(child) == 0) complain(name + " ended before its child");
      if (Effects::starts(child) > starts + static_cast<std::uint32_t>(Killer::kills()))
        complain(name + ": a child ran too often");
    }
  }

  std::mt19937_64 random_;
  std::vector<Item> items_;
  manta::stress::Watchdog watchdog_;
};

void use_all_workers() {
  const Ref<Numbers> stored = manta::put(Numbers(50'000, 1));
  std::vector<Ref<Number>> refs;
  refs.push_back(manta::remote<total>(next_task++, stored));
  for (int i = 0; i < 40; ++i) refs.push_back(manta::remote<flat>(next_task++, i, 2000));
  (void)manta::get(refs);
  (void)manta::get(stored);
}

}  // namespace

int main(int argc, char** argv) {
  Effects::prepare();
  auto runtime = manta::init(argc, argv, {.num_cpus = 3, .num_gpus = 0});
  const double seconds = manta::stress::option(argc, argv, "seconds", 60);
  const int enough = static_cast<int>(manta::stress::option(argc, argv, "kills", 200));
  const int threads = static_cast<int>(manta::stress::option(argc, argv, "threads", 2));
  std::mt19937_64 seeds(manta::stress::seed_of(argc, argv));
  const int node = Family::node_process();
  for (int i = 0; i < 3; ++i) use_all_workers();
  const Holdings before = Holdings::now(node);
  before.print("before");
  const std::size_t resident = Family::resident_kib(::getpid());

  std::atomic<bool> stop{false};
  const auto begin = std::chrono::steady_clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); };
  Killer killer(seeds(), {20ms, 300ms});
  std::vector<std::thread> lanes;
  for (int i = 0; i < threads; ++i) lanes.emplace_back([&, seed = seeds()] { Lane(seed).run(stop); });
  for (double report = 10; elapsed() < seconds || Killer::kills() < enough;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (elapsed() < report) continue;
    std::printf("%.0f s: %d kills, %ld resolved, %ld worker_died, %ld object_lost, %ld repeated, %ld wrong\n",
                elapsed(), Killer::kills(), resolved.load(), failed.load(), lost.load(), extra_starts.load(),
                wrong.load());
    std::fflush(stdout);
    report += 10;
  }
  killer.stop();
  stop = true;
  for (std::thread& lane : lanes) lane.join();
  if (extra_starts > Killer::kills()) complain("more repeated tasks than kills");
  {
    manta::stress::Watchdog watchdog(std::chrono::seconds(80), [] { std::fprintf(stderr, "while holdings fell\n"); });
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(40);
    Holdings after{};
    do {  // leases are returned, borrowed objects given back, surplus workers ended
      use_all_workers();
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      after = Holdings::now(node);
    } while (!after.within(before) && std::chrono::steady_clock::now() < limit);
    after.print("after");
    if (!after.within(before)) complain("more is held than before");
  }
  std::printf(
      "%.1f s: %d kills, %ld resolved, %ld worker_died, %ld object_lost, %ld repeated, %ld wrong; driver's memory "
      "%zu -> %zu KiB\n",
      elapsed(), Killer::kills(), resolved.load(), failed.load(), lost.load(), extra_starts.load(), wrong.load(),
      resident, Family::resident_kib(::getpid()));
  runtime.shutdown();
  if (Family::mappings(::getpid()) != 0) complain("mappings are left after the end");
  if (Family::count(::getpid()) != 0) complain("processes are left after the end");
  return wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
