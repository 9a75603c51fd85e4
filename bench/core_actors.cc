// Core: calls of actors, their creation, and how soon things go on after kill -9. Names and shapes are those of the
// peer's script.
#include <signal.h>
#include <unistd.h>

#include <string>
#include <vector>

#include <manta/manta.h>

#include "bench/areas.h"

namespace manta::bench {

namespace {

constexpr int kBatch = 1000;
constexpr int kActors = 2;  // as many as CPUs
constexpr int kClients = 4;
constexpr int kCallsOfClient = 5000;

constexpr std::string_view kSync = "1:1 actor calls sync";
constexpr std::string_view kAsync = "1:1 actor calls async";
constexpr std::string_view kConcurrent = "1:1 actor calls concurrent";
constexpr std::string_view kOneToN = "1:n actor calls async";
constexpr std::string_view kNToN = "n:n actor calls async";
constexpr std::string_view kNToNArg = "n:n actor calls with arg async";
constexpr std::string_view kCreateReady = "actor creation to first reply, prestarted worker";
constexpr std::string_view kCreate = "actor creation to first reply, new worker process";
constexpr std::string_view kCreate20 = "20 actors created at once to all replies";
constexpr std::string_view kKillWorker = "kill -9 of a worker in a task with retries, to its result";
constexpr std::string_view kKillActor = "kill -9 of an actor with restarts, to the next reply";

struct Server {
  int small_value() const { return 1; }
  int small_value_arg(int x) const { return 1 + x; }
  int process() const { return ::getpid(); }
};

int batch(const std::vector<Actor<Server>>& servers, int n) {
  std::vector<Ref<int>> results;
  results.reserve(static_cast<std::size_t>(n) * servers.size());
  for (const auto& server : servers) {
    for (int i = 0; i < n; ++i) results.push_back(server.call<&Server::small_value>());
  }
  int sum = 0;
  for (const auto& result : results) sum += get(result);
  return sum;
}

// As batch, but one call to each in turn.
int interleaved(const std::vector<Actor<Server>>& servers, int n) {
  std::vector<Ref<int>> results;
  results.reserve(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) {
    results.push_back(servers[static_cast<std::size_t>(i) % servers.size()].call<&Server::small_value>());
  }
  int sum = 0;
  for (const auto& result : results) sum += get(result);
  return sum;
}

struct Caller {
  explicit Caller(std::vector<Actor<Server>> s) : servers(std::move(s)) {}
  int small_value_batch(int n) const { return batch(servers, n); }
  int small_value_batch_arg(int n) const {
    const Ref<int> x = put(0);
    std::vector<Ref<int>> results;
    for (const auto& server : servers) {
      for (int i = 0; i < n; ++i) results.push_back(server.call<&Server::small_value_arg>(x));
    }
    int sum = 0;
    for (const auto& result : results) sum += get(result);
    return sum;
  }
  std::vector<Actor<Server>> servers;
};

std::vector<Actor<Server>> servers(int n) {
  std::vector<Actor<Server>> all;
  for (int i = 0; i < n; ++i) all.push_back(actor<Server>());
  for (const auto& server : all) check(get(server.call<&Server::small_value>()) == 1, "an actor's reply");
  return all;
}

void one_to_one(Harness& harness) {
  const Runtime runtime = harness.start();
  const auto all = servers(1);
  harness.rate(kSync, [&] { check(get(all[0].call<&Server::small_value>()) == 1, "an actor's reply"); });
  harness.rate(
      kAsync, [&] { check(batch(all, kBatch) == kBatch, "an actor's replies"); }, kBatch);
}

void concurrent(Harness& harness) {
  const Runtime runtime = harness.start();
  const std::vector all{actor<Server>.options({.max_concurrency = 16})()};
  harness.rate(
      kConcurrent, [&] { check(batch(all, kBatch) == kBatch, "an actor's replies"); }, kBatch);
}

void one_to_n(Harness& harness) {
  const Runtime runtime = harness.start();
  const auto caller = actor<Caller>(servers(kActors));
  constexpr int kCalls = kCallsOfClient * kActors;
  harness.rate(
      kOneToN, [&] { check(get(caller.call<&Caller::small_value_batch>(kCallsOfClient)) == kCalls, "replies"); },
      kCalls);
}

void n_to_n(Harness& harness) {
  const Runtime runtime = harness.start();
  const auto all = servers(kActors);
  const auto round = [&] {
    std::vector<Ref<int>> clients;
    for (int i = 0; i < kClients; ++i) clients.push_back(remote<interleaved>(all, kCallsOfClient));
    for (const auto& client : clients) check(get(client) == kCallsOfClient, "actors' replies");
  };
  harness.rate(kNToN, round, kClients * kCallsOfClient, "1/s", {{"actors", kActors}, {"clients", kClients}});
}

void n_to_n_with_arg(Harness& harness) {
  const Runtime runtime = harness.start();
  std::vector<Actor<Caller>> callers;
  for (const auto& server : servers(kActors)) callers.push_back(actor<Caller>(std::vector{server}));
  const auto round = [&] {
    std::vector<Ref<int>> done;
    for (const auto& caller : callers) done.push_back(caller.call<&Caller::small_value_batch_arg>(kBatch));
    for (const auto& ref : done) check(get(ref) == kBatch, "actors' replies");
  };
  harness.rate(kNToNArg, round, kActors * kBatch, "1/s", {{"actors", kActors}, {"clients", kActors}});
}

void creation(Harness& harness) {
  const Runtime runtime = harness.start();
  std::vector<Run> ready, fresh;
  std::vector<Actor<Server>> kept;
  for (int i = 0; i < 10; ++i) {
    const Stopwatch watch;
    kept.push_back(actor<Server>());
    check(get(kept.back().call<&Server::small_value>()) == 1, "an actor's reply");
    (i < 2 ? ready : fresh).push_back(watch.stop(watch.seconds(), false));
  }
  harness.emit(kCreateReady, "s", ready);
  harness.emit(kCreate, "s", fresh);
}

void twenty(Harness& harness) {
  const Runtime runtime = harness.start();
  harness.time(kCreate20, [] { (void)servers(20); });
}

int victim(const std::string& path) {
  const int process = ::getpid();
  if (::access(path.c_str(), F_OK) == 0) return process;  // the second attempt
  std::FILE* file = std::fopen((path + ".new").c_str(), "w");
  std::fprintf(file, "%d", process);
  std::fclose(file);
  std::rename((path + ".new").c_str(), path.c_str());
  for (;;) ::pause();
}

void kill_worker(Harness& harness) {
  const Runtime runtime = harness.start();
  std::vector<Run> runs;
  for (int i = 0; i < Harness::kRuns; ++i) {
    const std::string path = "/tmp/manta-bench-victim-" + std::to_string(::getpid());
    const auto result = remote<victim>(path);
    while (::access(path.c_str(), F_OK) != 0) ::usleep(1000);
    int process = 0;
    std::FILE* file = std::fopen(path.c_str(), "r");
    check(file != nullptr && std::fscanf(file, "%d", &process) == 1, "the victim's process");
    std::fclose(file);
    ::usleep(50'000);
    const Stopwatch watch;
    ::kill(process, SIGKILL);
    check(get(result) != process, "a result after kill -9");
    runs.push_back(watch.stop(watch.seconds(), false));
    ::unlink(path.c_str());
  }
  harness.emit(kKillWorker, "s", runs);
}

void kill_actor(Harness& harness) {
  const Runtime runtime = harness.start();
  std::vector<Run> runs;
  for (int i = 0; i < Harness::kRuns; ++i) {
    // Another actor each time: a restart is delayed where two others came just before it.
    const auto server = actor<Server>.options({.max_restarts = -1, .max_task_retries = -1})();
    const int process = get(server.call<&Server::process>());
    ::usleep(50'000);
    const Stopwatch watch;
    ::kill(process, SIGKILL);
    int now = process;
    while (now == process) now = get(server.call<&Server::process>());
    runs.push_back(watch.stop(watch.seconds(), false));
  }
  harness.emit(kKillActor, "s", runs);
}

}  // namespace

std::vector<Case> actor_cases() {
  return {
      {{kSync, kAsync}, one_to_one, true},
      {{kConcurrent}, concurrent},
      {{kOneToN}, one_to_n},
      {{kNToN}, n_to_n},
      {{kNToNArg}, n_to_n_with_arg},
      {{kCreateReady, kCreate}, creation},
      {{kCreate20}, twenty},
      {{kKillWorker}, kill_worker},
      {{kKillActor}, kill_actor},
  };
}

}  // namespace manta::bench
