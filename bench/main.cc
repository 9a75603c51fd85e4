// manta_bench AREA: runs the cases of an area, each in a process of its own, and prints one JSON line per figure.
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <iostream>
#include <memory>

#include <CLI/CLI.hpp>

#include "bench/areas.h"
#include "bench/child.h"

namespace {

using namespace manta::bench;

constexpr unsigned kCaseLimitSeconds = 300;

struct Command {
  Settings settings;
  bool list = false;
  std::string one_case;  // run this one here, not in a process of its own
  std::string probe;
  long count = 1;
};

bool wanted(const Harness& harness, const Case& candidate) {
  for (const std::string_view name : candidate.names) {
    if (harness.wanted(name)) return true;
  }
  return false;
}

// True: it ended well.
bool run_apart(const Area& area, const Case& which, const Settings& settings) {
  std::vector<std::string> arguments{
      program_path(), std::string(area.name), "--case",    std::string(which.names.front()),
      "--only",       settings.only,          "--seconds", std::to_string(settings.seconds)};
  if (settings.beside > 0) arguments.insert(arguments.end(), {"--beside", std::to_string(settings.beside)});
  if (settings.spin_us) arguments.insert(arguments.end(), {"--spin", std::to_string(*settings.spin_us)});
  Child child(arguments, Child::Output::inherited);
  const std::string ended = child.wait();
  if (!ended.empty()) Harness(settings).emit_failure(which.names.front(), ended);
  return ended.empty();
}

int keep_a_cpu_busy() {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (std::atomic<std::uint64_t> turns = 0;;) turns.fetch_add(1, std::memory_order_relaxed);
}

int run_area(const Area& area, const Command& command) {
  const Harness harness(command.settings);
  bool good = true;
  bool any = false;
  std::vector<std::unique_ptr<Child>> busy;
  for (int i = 0; i < command.settings.beside && !command.list; ++i) {
    busy.push_back(std::make_unique<Child>(std::vector<std::string>{program_path(), "busy"}));
  }
  for (const Case& candidate : area.cases) {
    if (!wanted(harness, candidate)) continue;
    any = true;
    if (command.list) {
      for (const std::string_view name : candidate.names) std::cout << name << '\n';
      continue;
    }
    good &= run_apart(area, candidate, command.settings);
    if (!candidate.spin_matters || command.settings.spin_us) continue;
    Settings off = command.settings;
    off.spin_us = 0;
    good &= run_apart(area, candidate, off);
  }
  if (!any) throw std::runtime_error("no case's name contains " + command.settings.only);
  return good ? 0 : 1;
}

int run_one(const Area& area, const Command& command) {
  for (const Case& candidate : area.cases) {
    if (candidate.names.front() != command.one_case) continue;
    ::alarm(kCaseLimitSeconds);  // a case that hangs ends by this signal
    Harness harness(command.settings);
    candidate.run(harness);
    return 0;
  }
  throw std::runtime_error("no case is called " + command.one_case);
}

}  // namespace

int main(int argc, char** argv) {
  Command command;
  command.settings.argc = argc;
  command.settings.argv = argv;
  CLI::App app("Benchmarks of Manta; see bench/README.md");
  app.require_subcommand(1);
  std::vector<Area> areas{core_area(), train_area(), serve_area(), examples_area()};
#ifdef MANTA_BENCH_RL
  areas.push_back(rl_area());
#endif
#ifdef MANTA_BENCH_DATA
  areas.push_back(data_area());
#endif
#ifdef MANTA_BENCH_TUNE
  areas.push_back(tune_area());
#endif
  for (const Area& area : areas) {
    CLI::App* sub = app.add_subcommand(std::string(area.name));
    sub->add_option("--only", command.settings.only, "only names that contain this; several: a|b");
    sub->add_option("--seconds", command.settings.seconds, "length of one run of a rate")->check(CLI::PositiveNumber);
    sub->add_option("--spin", command.settings.spin_us, "microseconds; without it: the default, and off");
    sub->add_option("--beside", command.settings.beside, "run so many processes that only use a CPU meanwhile");
    sub->add_flag("--list", command.list, "print the names of the cases");
    sub->add_option("--case", command.one_case, "run this case in this process")->group("");
  }
  CLI::App* busy = app.add_subcommand("busy", "uses a CPU until it is killed");
  CLI::App* probe = app.add_subcommand("probe", "a fixed amount of work, for profilers");
  probe->add_option("name", command.probe, "sync, async, wait, clients, growth")->required();
  probe->add_option("count", command.count, "how many tasks");
  probe->add_option("--spin", command.settings.spin_us, "microseconds");
  probe->add_option("--cpus", command.settings.cpus, "what the runtime offers");
  CLI11_PARSE(app, argc, argv);
  try {
    if (*busy) return keep_a_cpu_busy();
    if (*probe) {
      Harness harness(command.settings);
      run_probe(harness, command.probe, command.count);
      return 0;
    }
    for (const Area& area : areas) {
      if (!app.got_subcommand(std::string(area.name))) continue;
      return command.one_case.empty() ? run_area(area, command) : run_one(area, command);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "manta_bench: %s\n", error.what());
  }
  return 1;
}
