// Core: calls of actors whose methods are coroutines, and streams. Names and shapes are those of the peer's script
// where it has them.
#include <cstdint>
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
constexpr int kItems = 100'000;

constexpr std::string_view kSync = "1:1 async-actor calls sync";
constexpr std::string_view kAsync = "1:1 async-actor calls async";
constexpr std::string_view kArgs = "1:1 async-actor calls with args async";
constexpr std::string_view kSuspended = "1:1 async-actor calls that wait, async";
constexpr std::string_view kOneToN = "1:n async-actor calls async";
constexpr std::string_view kNToN = "n:n async-actor calls async";
constexpr std::string_view kStream = "stream: small items";

struct AsyncServer {
  Task<int> small_value() { co_return 1; }
  Task<int> small_value_with_arg(int x) { co_return x; }
  Task<int> after_the_others() {
    co_await yield();
    co_return 1;
  }
};

template <auto M>
int batch(const std::vector<Actor<AsyncServer>>& servers, int n) {
  std::vector<Ref<int>> results;
  results.reserve(static_cast<std::size_t>(n) * servers.size());
  for (const auto& server : servers) {
    for (int i = 0; i < n; ++i) results.push_back(server.template call<M>());
  }
  int sum = 0;
  for (const auto& result : results) sum += get(result);
  return sum;
}

int interleaved(const std::vector<Actor<AsyncServer>>& servers, int n) {
  std::vector<Ref<int>> results;
  results.reserve(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) {
    results.push_back(servers[static_cast<std::size_t>(i) % servers.size()].call<&AsyncServer::small_value>());
  }
  int sum = 0;
  for (const auto& result : results) sum += get(result);
  return sum;
}

struct AsyncCaller {
  explicit AsyncCaller(std::vector<Actor<AsyncServer>> s) : servers(std::move(s)) {}
  int small_value_batch(int n) const { return batch<&AsyncServer::small_value>(servers, n); }
  std::vector<Actor<AsyncServer>> servers;
};

std::vector<Actor<AsyncServer>> servers(int n) {
  std::vector<Actor<AsyncServer>> all;
  for (int i = 0; i < n; ++i) all.push_back(actor<AsyncServer>());
  for (const auto& server : all) check(get(server.call<&AsyncServer::small_value>()) == 1, "an actor's reply");
  return all;
}

void one_to_one(Harness& harness) {
  const Runtime runtime = harness.start();
  const auto all = servers(1);
  harness.rate(kSync, [&] { check(get(all[0].call<&AsyncServer::small_value>()) == 1, "an actor's reply"); });
  harness.rate(
      kAsync, [&] { check(batch<&AsyncServer::small_value>(all, kBatch) == kBatch, "an actor's replies"); }, kBatch);
  const auto with_args = [&] {
    std::vector<Ref<int>> results;
    for (int i = 0; i < kBatch; ++i) results.push_back(all[0].call<&AsyncServer::small_value_with_arg>(i));
    for (int i = 0; i < kBatch; ++i) check(get(results[static_cast<std::size_t>(i)]) == i, "an actor's reply");
  };
  harness.rate(kArgs, with_args, kBatch);
  harness.rate(
      kSuspended, [&] { check(batch<&AsyncServer::after_the_others>(all, kBatch) == kBatch, "replies"); }, kBatch);
}

void one_to_n(Harness& harness) {
  const Runtime runtime = harness.start();
  const auto caller = actor<AsyncCaller>(servers(kActors));
  constexpr int kCalls = kCallsOfClient * kActors;
  harness.rate(
      kOneToN, [&] { check(get(caller.call<&AsyncCaller::small_value_batch>(kCallsOfClient)) == kCalls, "replies"); },
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

Generator<int> count(int n) {
  for (int i = 0; i < n; ++i) co_yield i;
}

void stream(Harness& harness) {
  const Runtime runtime = harness.start();
  const auto round = [] {
    std::int64_t sum = 0;
    for (const int item : remote<count>(kItems)) sum += item;
    check(sum == std::int64_t{kItems} * (kItems - 1) / 2, "the items of a stream");
  };
  harness.rate(kStream, round, kItems);
}

}  // namespace

std::vector<Case> coroutine_cases() {
  return {
      {{kSync, kAsync, kArgs, kSuspended}, one_to_one, true},
      {{kOneToN}, one_to_n},
      {{kNToN}, n_to_n},
      {{kStream}, stream},
  };
}

}  // namespace manta::bench
