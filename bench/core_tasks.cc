// Core: rates of tasks, 100,000 tasks at once, chains and trees. Names and shapes are those of the peer's script.
#include <unistd.h>

#include <string>
#include <vector>

#include <manta/manta.h>

#include "bench/areas.h"
#include "bench/child.h"
#include "bench/process_tree.h"
#include "bench/task_work.h"

namespace manta::bench {

namespace {

constexpr int kMany = 100'000;
constexpr int kChain = 1000;
constexpr int kLeaves = 1024;

constexpr std::string_view kSync = "single client tasks sync";
constexpr std::string_view kAsync = "single client tasks async";
constexpr std::string_view kLimited = "single client tasks async, each with a time limit";
constexpr std::string_view kMultiClient = "multi client tasks async";
constexpr std::string_view kGetBatch = "single client tasks and get batch";
constexpr std::string_view kWait = "single client wait 1k refs";
constexpr std::string_view kSubmitLoop = "100k no-op tasks: submit loop";
constexpr std::string_view kAllResults = "100k no-op tasks: submit to all results";
constexpr std::string_view kGrowth = "100k no-op tasks: driver RSS growth";
constexpr std::string_view kChainName = "chain of 1000 dependent tasks";
constexpr std::string_view kTreeName = "tree reduce of 1024 leaves";

int inc(int x) { return x + 1; }
int add(int a, int b) { return a + b; }

void tasks_sync(Harness& harness) {
  const Runtime runtime = harness.start();
  harness.rate(kSync, one_task);
}

void tasks_async(Harness& harness) {
  const Runtime runtime = harness.start();
  harness.rate(
      kAsync, [] { submit_and_get(kBatch); }, kBatch);
}

void tasks_with_limit(Harness& harness) {
  const Runtime runtime = harness.start();
  const auto limited = remote<inc>.options({.timeout = std::chrono::seconds(30)});
  std::vector<Ref<int>> refs;
  harness.rate(
      kLimited,
      [&] {
        refs.clear();
        for (int i = 0; i < kBatch; ++i) refs.push_back(limited(i));
        (void)get(refs);
      },
      kBatch);
}

void tasks_and_get_batch(Harness& harness) {
  const Runtime runtime = harness.start();
  harness.rate(
      kGetBatch, [] { submit_and_get(kBatch); }, 1, "batches of 1000/s");
}

void multi_client(Harness& harness) {
  const Runtime runtime = harness.start();
  std::set<pid_t> processes = four_clients();
  for (int i = 0; i < 10 && processes.size() < kClients; ++i) processes = four_clients();
  check(processes.size() == kClients, "four clients ran in fewer than four processes");
  // A worker that is done with one client may get another: how often all four had a process of their own.
  double rounds = 0, apart = 0;
  Fields fields{{"clients", kClients}, {"rounds_in_four_processes", 0}};
  harness.rate(
      kMultiClient,
      [&] {
        apart += four_clients().size() == kClients ? 1 : 0;
        fields.back().second = apart / ++rounds;
      },
      kClients * kTasksOfClient, "1/s", fields);
}

void wait_refs(Harness& harness) {
  const Runtime runtime = harness.start();
  harness.rate(kWait, wait_one_at_a_time);
}

void many_tasks_time(Harness& harness) {
  const Runtime runtime = harness.start();
  many_tasks(kMany);
  std::vector<Run> submit, all;
  for (int i = 0; i < Harness::kRuns; ++i) {
    const ManyTasks result = many_tasks(kMany);
    submit.push_back(result.submit);
    all.push_back(result.all);
  }
  harness.emit(kSubmitLoop, "s", submit);
  harness.emit(kAllResults, "s", all);
}

// The first batch of a fresh process: later ones find memory that the first has left.
void many_tasks_growth(Harness& harness) {
  std::vector<Run> growth;
  for (int i = 0; i < Harness::kRuns; ++i) {
    const Stopwatch watch;
    Child probe({program_path(), "probe", "growth", std::to_string(kMany)});
    const std::string output = probe.read_all();
    const std::string ended = probe.wait();
    if (!ended.empty()) throw std::runtime_error("the process with 100,000 tasks: " + ended);
    Run run = watch.stop(std::stod(output), false);
    run.cpu_s = 0;  // of a child that has ended
    growth.push_back(run);
  }
  harness.emit(kGrowth, "MiB", growth, {{"bytes_per_task", median_value(growth) * (1 << 20) / kMany}});
}

void chain(Harness& harness) {
  const Runtime runtime = harness.start();
  harness.time(kChainName, [] {
    Ref<int> x = remote<inc>(0);
    for (int i = 1; i < kChain; ++i) x = remote<inc>(x);
    check(get(x) == kChain, "a chain");
  });
}

void tree(Harness& harness) {
  const Runtime runtime = harness.start();
  harness.time(kTreeName, [] {
    std::vector<Ref<int>> level;
    for (int i = 0; i < kLeaves; ++i) level.push_back(remote<inc>(0));
    while (level.size() > 1) {
      std::vector<Ref<int>> next;
      for (std::size_t i = 0; i < level.size(); i += 2) next.push_back(remote<add>(level[i], level[i + 1]));
      level = std::move(next);
    }
    check(get(level.front()) == kLeaves, "a tree");
  });
}

}  // namespace

std::vector<Case> task_cases() {
  return {
      {{kSync}, tasks_sync, true},
      {{kAsync}, tasks_async, true},
      {{kLimited}, tasks_with_limit},
      {{kMultiClient}, multi_client, true},
      {{kGetBatch}, tasks_and_get_batch, true},
      {{kWait}, wait_refs, true},
      {{kSubmitLoop, kAllResults}, many_tasks_time, true},
      {{kGrowth}, many_tasks_growth},
      {{kChainName}, chain, true},
      {{kTreeName}, tree, true},
  };
}

}  // namespace manta::bench
