// How a case is measured and reported: one warm-up and five runs, then one JSON line with median and spread.
//
// An area (core, train, ...) is a list of cases. manta_bench runs each case in a process of its own, so that each
// starts with a fresh runtime and a fresh heap, and a case that fails or hangs takes no other with it.
#pragma once

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <manta/runtime.h>

namespace manta::bench {

struct Settings {
  std::string only;            // parts separated by '|': names that contain one of them; empty: all
  double seconds = 1;          // length of one run of a rate
  std::optional<int> spin_us;  // none: Manta's default
  double cpus = 2;             // what the runtime offers
  int beside = 0;              // processes that only use a CPU run meanwhile
  int argc = 0;
  char** argv = nullptr;
};

class Harness;

struct Case {
  std::vector<std::string_view> names;  // of all lines that run() emits
  void (*run)(Harness&);
  bool spin_matters = false;  // run it with spin off too
};

struct Area {
  std::string_view name;
  std::vector<Case> cases;
};

// What one run gave.
struct Run {
  double value = 0;
  double cpu_s = 0;   // of the process tree: per second of a rate, else of the whole run
  double others = 0;  // CPUs that other processes of this machine kept busy meanwhile
};

double median_value(const std::vector<Run>& runs);

// Times one stretch of work, and what this process and all below it spend for it.
class Stopwatch {
 public:
  Stopwatch();
  double seconds() const;
  // Ends the run. value: what it gave; rate: whether cpu_s is per second.
  Run stop(double value, bool rate) const;

 private:
  double cpu_;
  double busy_;
  std::chrono::steady_clock::time_point start_;
};

// Further numbers of a line.
using Fields = std::vector<std::pair<std::string_view, double>>;

class Harness {
 public:
  static constexpr int kRuns = 5;

  explicit Harness(Settings settings) : settings_(std::move(settings)) {}
  const Settings& settings() const { return settings_; }
  bool wanted(std::string_view name) const;
  // The runtime. Also the first thing that a program executed again as a worker must reach.
  Runtime start() const;
  // The name that the line carries: with ", spin off" and ", beside N busy" where it is so.
  std::string full_name(std::string_view name) const;
  void emit(std::string_view name, std::string_view unit, const std::vector<Run>& runs, const Fields& more = {}) const;
  void emit_failure(std::string_view name, std::string_view why) const;

  // Calls of body per second, times per_call.
  template <class Body>
  void rate(std::string_view name, Body&& body, double per_call = 1, std::string_view unit = "1/s",
            const Fields& more = {}) const {
    const auto calls_in = [&](double seconds, long step) {
      long calls = 0;
      const Stopwatch watch;
      double elapsed = 0;
      do {
        for (long i = 0; i < step; ++i) body();
        calls += step;
        elapsed = watch.seconds();
      } while (elapsed < seconds);
      return std::pair(calls, watch.stop(per_call * static_cast<double>(calls) / elapsed, true));
    };
    const long step = calls_in(settings_.seconds, 1).first / 20 + 1;  // few looks at the clock
    std::vector<Run> runs;
    for (int i = 0; i < kRuns; ++i) runs.push_back(calls_in(settings_.seconds, step).second);
    emit(name, unit, runs, more);
  }

  // Seconds that body takes.
  template <class Body>
  void time(std::string_view name, Body&& body) const {
    body();
    std::vector<Run> runs;
    for (int i = 0; i < kRuns; ++i) {
      const Stopwatch watch;
      body();
      runs.push_back(watch.stop(watch.seconds(), false));
    }
    emit(name, "s", runs);
  }

 private:
  Settings settings_;
};

// A wrong result: the whole program ends with 1.
inline void check(bool right, std::string_view what) {
  if (!right) throw std::runtime_error("wrong result: " + std::string(what));
}

}  // namespace manta::bench
