#include "bench/task_work.h"

#include <unistd.h>

#include <algorithm>
#include <span>

#include "bench/process_tree.h"

namespace manta::bench {

namespace {

bool right(const std::vector<std::string>& values) {
  for (const std::string& value : values) {
    if (value != "ok") return false;
  }
  return true;
}

std::vector<Ref<std::string>> submit(int count) {
  std::vector<Ref<std::string>> refs;
  refs.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) refs.push_back(remote<small_value>());
  return refs;
}

struct ClientReport {
  std::int64_t process = 0;
  bool right = false;
};

ClientReport client(int count) { return {::getpid(), right(get(submit(count)))}; }

}  // namespace

std::string small_value() { return "ok"; }

void one_task() { check(get(remote<small_value>()) == "ok", "a task"); }

void submit_and_get(int count) { check(right(get(submit(count))), "a batch of tasks"); }

ManyTasks many_tasks(int count) {
  ManyTasks result;
  const double before = memory_of(::getpid()).rss_mib;
  const Stopwatch watch;
  std::vector<Ref<std::string>> refs;
  for (int i = 0; i < count; ++i) refs.push_back(remote<small_value>());
  result.submit = watch.stop(watch.seconds(), false);
  double peak = memory_of(::getpid()).rss_mib;
  for (const Ref<std::string>& ref : refs) check(get(ref) == "ok", "one of 100,000 tasks");
  result.all = watch.stop(watch.seconds(), false);
  peak = std::max(peak, memory_of(::getpid()).rss_mib);
  result.growth_mib = peak - before;
  return result;
}

void wait_one_at_a_time() {
  std::vector<Ref<std::string>> refs;
  refs.reserve(kBatch);
  for (int i = 0; i < kBatch; ++i) refs.push_back(remote<small_value>());
  std::span<Ref<std::string>> left = refs;
  while (!left.empty()) {
    check(wait(left, {.count = 1}) == 1 && get(left.front()) == "ok", "a ref that was waited for");
    left = left.subspan(1);
  }
}

std::set<pid_t> four_clients() {
  std::vector<Ref<ClientReport>> clients;
  for (int i = 0; i < kClients; ++i) clients.push_back(remote<client>.options({.num_cpus = 0})(kTasksOfClient));
  std::set<pid_t> processes;
  for (const ClientReport& report : get(clients)) {
    check(report.right, "a client's tasks");
    processes.insert(static_cast<pid_t>(report.process));
  }
  return processes;
}

}  // namespace manta::bench
