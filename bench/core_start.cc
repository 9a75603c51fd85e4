// Core: how long a program takes to start, and what a runtime costs that has nothing to do. Each case runs the program
// cold_start, or cold_start_torch where LibTorch was found, and measures it from outside.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "bench/areas.h"
#include "bench/child.h"
#include "bench/process_tree.h"

namespace manta::bench {

namespace {

constexpr std::chrono::seconds kSettle{1};  // idle for this long before memory and processor time are looked at

constexpr std::string_view kFirst = "cold start: init to first task result";
constexpr std::string_view kWhole = "cold start: whole process, import to exit";
constexpr std::string_view kBare = "cold start: program's own exec to exit";
constexpr std::string_view kMemory = "memory PSS: whole idle runtime incl. driver";
constexpr std::string_view kIdle = "idle CPU: whole tree";
constexpr std::string_view kTorchFirst = "cold start with LibTorch: init to first task result";
constexpr std::string_view kTorchWhole = "cold start with LibTorch: whole process, import to exit";
constexpr std::string_view kTorchBare = "cold start with LibTorch: program's own exec to exit";
constexpr std::string_view kTorchMemory = "memory PSS with LibTorch: whole idle runtime incl. driver";
constexpr std::string_view kTorchIdle = "idle CPU with LibTorch: whole tree";

std::string program(bool torch) { return program_folder() + (torch ? "/cold_start_torch" : "/cold_start"); }

// The whole run of the program, and the number that it printed.
struct Start {
  Run whole;
  Run printed;
};

Start start_once(bool torch, const std::string& mode) {
  const Stopwatch watch;
  Child child({program(torch), mode});
  const std::string output = child.read_all();
  const std::string ended = child.wait();
  const double seconds = watch.seconds();
  check(ended.empty(), program(torch) + " " + mode + ": " + ended);
  Start start;
  start.whole = watch.stop(seconds, false);
  start.whole.cpu_s = 0;  // of processes that have ended
  start.printed = start.whole;
  if (!output.empty()) start.printed.value = std::stod(output);
  return start;
}

void cold_start(Harness& harness, bool torch, std::string_view first, std::string_view whole, std::string_view bare) {
  std::vector<Run> firsts, wholes, bares;
  for (int i = 0; i <= Harness::kRuns; ++i) {
    const Start with = start_once(torch, "first");
    const Start without = start_once(torch, "bare");
    if (i == 0) continue;  // the warm-up
    firsts.push_back(with.printed);
    wholes.push_back(with.whole);
    bares.push_back(without.whole);
  }
  harness.emit(first, "s", firsts);
  harness.emit(whole, "s", wholes);
  harness.emit(bare, "s", bares);
}

void idle(Harness& harness, bool torch, std::string_view memory, std::string_view idle_cpu) {
  const auto watched = std::chrono::duration<double>(std::max(1.0, harness.settings().seconds));
  std::vector<Run> pss, percent;
  std::map<std::string, double> parts;  // of the last run
  double processes = 0;
  double rss = 0;
  for (int i = 0; i < Harness::kRuns; ++i) {
    Child child({program(torch), "idle"});
    check(child.read_line() == "idle\n", program(torch) + " idle");
    std::this_thread::sleep_for(kSettle);
    const std::vector<pid_t> tree = process_tree(child.pid());
    const double before = cpu_seconds(tree);
    const Stopwatch watch;
    std::this_thread::sleep_for(watched);
    const double elapsed = watch.seconds();
    const double used = cpu_seconds(tree) - before;
    Run run = watch.stop(used / elapsed * 100, true);
    run.cpu_s = used / elapsed;
    percent.push_back(run);
    run.value = rss = 0;
    parts.clear();
    for (const pid_t process : tree) {
      const ProcessMemory part = memory_of(process);
      run.value += part.pss_mib;
      rss += part.rss_mib;
      parts[process == child.pid() ? "driver" : part.name] += part.pss_mib;
    }
    processes = static_cast<double>(tree.size());
    pss.push_back(run);
    const std::string ended = child.wait();
    check(ended.empty(), program(torch) + " idle: " + ended);
  }
  Fields fields{{"processes", processes}, {"rss", rss}};
  for (const auto& [name, mib] : parts) fields.emplace_back(name, mib);
  harness.emit(memory, "MiB", pss, fields);
  harness.emit(idle_cpu, "% of a core", percent, {{"processes", processes}});
}

}  // namespace

std::vector<Case> start_cases() {
  std::vector<Case> cases{
      {{kFirst, kWhole, kBare}, [](Harness& harness) { cold_start(harness, false, kFirst, kWhole, kBare); }},
      {{kMemory, kIdle}, [](Harness& harness) { idle(harness, false, kMemory, kIdle); }},
  };
  if (::access(program(true).c_str(), X_OK) == 0) {
    cases.push_back({{kTorchFirst, kTorchWhole, kTorchBare},
                     [](Harness& harness) { cold_start(harness, true, kTorchFirst, kTorchWhole, kTorchBare); }});
    cases.push_back(
        {{kTorchMemory, kTorchIdle}, [](Harness& harness) { idle(harness, true, kTorchMemory, kTorchIdle); }});
  }
  return cases;
}

}  // namespace manta::bench
