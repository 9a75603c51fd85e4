// Calls of actors by the driver and by other actors, while the processes of both are killed at random.
//
// What each call did is recorded outside of Manta. Checked: calls of one caller to one actor start in the order that
// they were made in; without retries each starts at most once, and its result says so; with retries for ever each has a
// result, and ran to its end at least once; objects that a killed actor had put stay readable for their holder.
//
//   stress_actors [--seconds=60] [--threads=2] [--seed=N]
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
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
using manta::stress::Killer;
using namespace std::chrono_literals;
using CallNumber = std::uint32_t;
using Numbers = std::vector<int>;

// Marks: a count of calls out of order, the process where a call or a caller ran last; series of calls have the others.
constexpr std::uint32_t kOutOfOrder = 0, kRunning = 1, kFirstSeries = 16;

// Called in series: a series has numbers that count up, and a mark of its own.
struct Target {
  CallNumber hit(CallNumber call, std::uint32_t series, int us) {
    // A call that is repeated has lost its place to itself; one that starts for the first time has not.
    if (Effects::starts(call) == 0) {
      const CallNumber before = Effects::mark(series).exchange(call + 1);
      if (before > call) ++Effects::mark(kOutOfOrder);
    }
    Effects::started(call);
    Effects::mark(kRunning) = static_cast<std::uint32_t>(::getpid());
    if (us > 0) std::this_thread::sleep_for(std::chrono::microseconds(us));
    Effects::ended(call);
    return call + 1;
  }
  Ref<Numbers> puts(int n) { return manta::put(Numbers(static_cast<std::size_t>(n), n)); }
};

enum Result : std::uint8_t { kRight, kWrong, kDied };

// With its process, which another one replaces.
bool lost(const Error& error) {
  return error.code() == ErrorCode::actor_died || error.code() == ErrorCode::unavailable;
}

std::vector<std::uint8_t> make_calls(const manta::Actor<Target>& target, CallNumber first, int count,
                                     std::uint32_t series, int us) {
  std::vector<Ref<CallNumber>> refs;
  for (int i = 0; i < count; ++i) {
    refs.push_back(target.call<&Target::hit>(first + static_cast<CallNumber>(i), series, us));
  }
  std::vector<std::uint8_t> results;
  for (int i = 0; i < count; ++i) {
    const auto value = manta::try_get(refs[static_cast<std::size_t>(i)]);
    const bool right = value && *value == first + static_cast<CallNumber>(i) + 1;
    const bool died = !value && lost(value.error());
    results.push_back(right ? kRight : died ? kDied : kWrong);
  }
  return results;
}

struct Caller {
  std::vector<std::uint8_t> drives(manta::Actor<Target> target, CallNumber first, int count, std::uint32_t series,
                                   int us) {
    Effects::mark(kRunning) = static_cast<std::uint32_t>(::getpid());
    return make_calls(target, first, count, series, us);
  }
};

std::atomic<CallNumber> next_call{0};
std::atomic<std::uint32_t> next_series{kFirstSeries};
std::atomic<long> calls{0}, died{0}, repeated{0}, adopted{0}, unseen{0}, wrong{0};

void complain(const std::string& what) {
  if (++wrong <= 20) std::fprintf(stderr, "WRONG: %s\n", what.c_str());
}

class Lane {
 public:
  explicit Lane(std::uint64_t seed) : random_(seed) { renew(); }

  void run(const std::atomic<bool>& stop) {
    while (!stop && next_call < Effects::kTasks - 10'000 && next_series < Effects::kMarks) {
      if (below(30) == 0) renew();
      below(5) == 0 ? objects() : series();
      watchdog_.progress();
    }
  }

 private:
  int below(int n) { return static_cast<int>(random_() % static_cast<std::uint64_t>(n)); }

  std::size_t at_random() { return static_cast<std::size_t>(below(2)); }  // of two

  void series() {
    const bool retries = below(2) == 0;
    const auto& target = (retries ? patient_ : once_)[at_random()];
    const int count = 1 + below(below(4) == 0 ? 400 : 20), us = below(3) == 0 ? 0 : below(1000);
    const CallNumber first = next_call.fetch_add(static_cast<CallNumber>(count));
    const std::uint32_t number = next_series++;
    std::vector<std::uint8_t> results;
    if (below(2) == 0) {
      results = make_calls(target, first, count, number, us);
    } else {
      auto made = manta::try_get(callers_[at_random()].call<&Caller::drives>(target, first, count, number, us));
      if (made) results = std::move(*made);
      if (!made && !lost(made.error())) complain(made.error().what());
      unseen += !made;
    }
    for (int i = 0; i < count; ++i) {
      const int result = results.empty() ? -1 : results[static_cast<std::size_t>(i)];
      check(first + static_cast<CallNumber>(i), retries, result);
    }
  }

  void check(CallNumber call, bool retries, int result) {
    const std::uint32_t starts = Effects::starts(call), ends = Effects::ends(call);
    const std::string name = "call " + std::to_string(call) + (retries ? " (repeated for ever)" : " (at most once)") +
                             ", started " + std::to_string(starts) + ", ended " + std::to_string(ends);
    if (!retries && starts > 1) complain(name);
    if (starts > 1) ++repeated;
    if (result == -1) return;
    ++calls;
    if (result == kWrong) complain(name + ": a wrong result");
    if (result == kRight && ends == 0) complain(name + ": a result of what never ended");
    if (result == kDied && retries) complain(name + ": it was not repeated");
    died += result == kDied;
  }

  void objects() {
    const int n = below(2) == 0 ? 100 : 50'000;
    const auto ref = manta::try_get(patient_[at_random()].call<&Target::puts>(n));
    if (!ref) return complain(std::string("a put: ") + ref.error().what());
    if (below(2) == 0) std::this_thread::sleep_for(std::chrono::milliseconds(below(10)));
    const auto value = manta::try_get(*ref);
    if (!value) return complain(std::string("an object of an actor: ") + value.error().what());
    if (*value != Numbers(static_cast<std::size_t>(n), n)) complain("an object has another value");
    ++adopted;
  }

  // Restarts of an actor that is killed often are delayed up to 10 s: with the same actors the run would mostly wait.
  void renew() {
    once_ = {make_target(0), make_target(0)};
    patient_ = {make_target(-1), make_target(-1)};
    callers_ = {make_caller(), make_caller()};
  }

  static manta::Actor<Target> make_target(int retries) {
    return manta::actor<Target>.options({.max_restarts = -1, .max_task_retries = retries})();
  }
  static manta::Actor<Caller> make_caller() { return manta::actor<Caller>.options({.max_restarts = -1})(); }

  std::mt19937_64 random_;
  std::vector<manta::Actor<Target>> once_, patient_;
  std::vector<manta::Actor<Caller>> callers_;
  manta::stress::Watchdog watchdog_;
};

}  // namespace

int main(int argc, char** argv) {
  Effects::prepare();
  auto runtime = manta::init(argc, argv, {.num_cpus = 3, .num_gpus = 0});
  const double seconds = manta::stress::option(argc, argv, "seconds", 60);
  const int threads = static_cast<int>(manta::stress::option(argc, argv, "threads", 2));
  std::mt19937_64 seeds(manta::stress::seed_of(argc, argv));
  std::atomic<bool> stop{false};
  Killer killer(seeds(), {5ms, 105ms}, kRunning);
  std::vector<std::thread> lanes;
  for (int i = 0; i < threads; ++i) lanes.emplace_back([&, seed = seeds()] { Lane(seed).run(stop); });
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  killer.stop();  // first: restarts that go on being killed are delayed more and more, and the lanes would not end
  stop = true;
  for (std::thread& lane : lanes) lane.join();
  if (Effects::mark(kOutOfOrder) != 0) complain(std::to_string(Effects::mark(kOutOfOrder)) + " calls out of order");
  std::printf(
      "%d kills, %ld calls with a result, %ld actor_died, %ld repeated, %ld series of dead callers, %ld objects "
      "read, %ld wrong\n",
      Killer::kills(), calls.load(), died.load(), repeated.load(), unseen.load(), adopted.load(), wrong.load());
  runtime.shutdown();
  if (Family::mappings(::getpid()) != 0) complain("mappings are left after the end");
  if (Family::count(::getpid()) != 0) complain("processes are left after the end");
  return wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
