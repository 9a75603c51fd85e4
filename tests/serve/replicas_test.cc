// Replicas that are busy, hang, die or cannot start, requests that kill, clients that leave: no other request suffers.
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <stop_token>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/serve/callables.h"

namespace manta::serve::testing {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

const HttpOptions kAnyPort{.port = 0};

// A flag for other processes: a file that exists or not.
class Flag {
 public:
  explicit Flag(const std::string& name, bool there = false)
      : path(::testing::TempDir() + "manta_" + name + "." + std::to_string(::getpid()) + "." + std::to_string(++made)) {
    set(there);
  }
  ~Flag() { std::filesystem::remove(path); }
  void set(bool there) const {
    if (there) {
      std::ofstream(path) << "there\n";
    } else {
      std::filesystem::remove(path);
    }
  }
  const std::string path;

 private:
  static inline int made = 0;
};

// Waits until the condition holds; false: it did not within 20 s.
template <class F>
bool within_20s(const F& done) {
  for (const auto end = std::chrono::steady_clock::now() + 20s; std::chrono::steady_clock::now() < end;) {
    if (done()) return true;
    std::this_thread::sleep_for(1ms);
  }
  return done();
}

bool metric_is(const Server& server, const std::string& line) {
  return HttpClient(server.address()).get("/metrics").body.find(line + "\n") != std::string::npos;
}
bool ready_replicas(const Server& server, int count) {
  return metric_is(server, "manta_serve_replicas{model=\"d\",version=\"1\"} " + std::to_string(count));
}

// Answers its pid. "hold": once the file exists. "abort": aborts. Its constructor fails without the model.
struct Worker {
  explicit Worker(std::string gate_file = "", std::string model_file = "")
      : gate(std::move(gate_file)), model(std::move(model_file)) {
    if (!model.empty() && !std::filesystem::exists(model)) throw std::runtime_error("the model " + model + " is away");
  }
  std::string operator()(const Request& request) const {
    if (request.query == "abort") std::abort();
    while (request.query == "hold" && !std::filesystem::exists(gate)) std::this_thread::sleep_for(1ms);
    return std::to_string(::getpid());
  }
  std::string gate, model;
};

TEST(Replicas, LongRequestsAndQueuesEndNoHealthyProcess) {
  const Flag gate("gate");
  Server server =
      run(deployment<Worker>({.name = "d", .health_check_period = 20ms, .health_check_timeout = 200ms}, gate.path),
          kAnyPort);
  const std::string pid = HttpClient(server.address()).get("/d").body;
  std::vector<std::future<Answer>> answers;
  for (int i = 0; i < 4; ++i) {
    answers.push_back(std::async(std::launch::async, [&] { return HttpClient(server.address()).get("/d?hold"); }));
  }
  std::this_thread::sleep_for(1500ms);  // several times the limit for a process that hangs
  EXPECT_EQ(HttpClient(server.address()).get("/v2/health/ready").status, 200);
  gate.set(true);
  for (auto& each : answers) {
    const Answer answer = each.get();
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.body, pid);
  }
  EXPECT_TRUE(metric_is(server, "manta_serve_replicas_killed{model=\"d\",version=\"1\"} 0"));
}

TEST(Replicas, AProcessThatHangsIsFoundWhetherItIsBusyOrNot) {
  Server server =
      run(deployment<Worker>({.name = "d", .health_check_period = 20ms, .health_check_timeout = 300ms}), kAnyPort);
  for (const bool busy : {false, true}) {
    const int pid = std::stoi(HttpClient(server.address()).get("/d").body);
    ASSERT_EQ(::kill(pid, SIGSTOP), 0);
    if (busy) {
      const Answer answer = HttpClient(server.address()).get("/d");
      EXPECT_EQ(answer.status, 200) << answer.body;
      EXPECT_NE(answer.body, std::to_string(pid));
    }
    EXPECT_TRUE(within_20s([&] { return ::kill(pid, 0) != 0; }));
    EXPECT_TRUE(within_20s([&] { return HttpClient(server.address()).get("/v2/health/ready").status == 200; }));
  }
}

TEST(Replicas, OneThatCannotStartAgainGetsNoRequests) {
  const Flag model("model", true);
  Server server = run(deployment<Worker>({.name = "d", .num_replicas = 2}, "", model.path), kAnyPort);
  HttpClient client(server.address());
  model.set(false);
  ASSERT_EQ(::kill(std::stoi(client.get("/d").body), SIGKILL), 0);
  ASSERT_TRUE(within_20s([&] { return ready_replicas(server, 1); }));
  for (int i = 0; i < 200; ++i) {
    const Answer answer = client.get("/d");
    ASSERT_EQ(answer.status, 200) << answer.body;
  }
  EXPECT_EQ(client.get("/v2/health/ready").status, 200) << "the other one answers";
  model.set(true);
  EXPECT_TRUE(within_20s([&] { return ready_replicas(server, 2); }));
}

TEST(Replicas, RequestsWaitForAReplicaForAMomentAndThenFailWithTheReason) {
  const Flag model("model", true);
  Server server = run(deployment<Worker>({.name = "d", .num_replicas = 1}, "", model.path), kAnyPort);
  HttpClient client(server.address());
  model.set(false);
  ASSERT_EQ(::kill(std::stoi(client.get("/d").body), SIGKILL), 0);
  auto waits = std::async(std::launch::async, [&] { return HttpClient(server.address()).get("/d"); });
  ASSERT_TRUE(within_20s([&] { return client.get("/v2/health/ready").status == 503; }));
  EXPECT_TRUE(within_20s([&] { return client.get("/v2/health/ready").body.find("is away") != std::string::npos; }));
  EXPECT_EQ(client.get("/v2/health/live").status, 200) << "a new process would change nothing";
  model.set(true);
  EXPECT_EQ(waits.get().status, 200);
  model.set(false);
  ASSERT_EQ(::kill(std::stoi(client.get("/d").body), SIGKILL), 0);
  Answer refused = client.get("/d");  // the ending process may have answered it
  if (refused.status == 200) refused = client.get("/d");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.header("Retry-After"), "1");
  EXPECT_THAT(refused.body, HasSubstr("no replica of 'd' is ready"));
  EXPECT_THAT(refused.body, HasSubstr("is away"));
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(client.get("/d").status, 503);
  EXPECT_LT(std::chrono::steady_clock::now() - before, 2s) << "those that come later fail at once";
  model.set(true);
  EXPECT_TRUE(within_20s([&] { return client.get("/d").status == 200; }));
  EXPECT_EQ(client.get("/v2/health/ready").status, 200);
}

TEST(Replicas, AConstructorThatCrashesIsTheCallersError) {
  struct Crashes {
    Crashes() { std::abort(); }
    int operator()(int x) { return x; }
  };
  Server server(kAnyPort);
  try {
    server.run(deployment<Crashes>({.name = "d"}));
    ADD_FAILURE() << "it was started";
  } catch (const manta::Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("a replica of 'd' cannot be started: its process "));
    EXPECT_THAT(error.what(), ::testing::AnyOf(HasSubstr("signal 6"), HasSubstr("SIGABRT")));
    EXPECT_THAT(error.what(), HasSubstr("while its constructor ran"));
  }
}

TEST(Replicas, ASlowRequestHoldsUpNoOtherWhileAReplicaIsFree) {
  const Flag gate("gate");
  Server server = run(deployment<Worker>({.name = "d", .num_replicas = 2}, gate.path), kAnyPort);
  for (int i = 0; i < 50; ++i)
    ASSERT_EQ(HttpClient(server.address()).get("/d").status, 200);  // so the router expects fast requests
  auto slow = std::async(std::launch::async, [&] { return HttpClient(server.address()).get("/d?hold"); });
  std::vector<std::future<Answer>> fast;
  for (int i = 0; i < 40; ++i)
    fast.push_back(std::async(std::launch::async, [&] { return HttpClient(server.address()).get("/d"); }));
  for (auto& each : fast) EXPECT_EQ(each.get().status, 200);  // within 20 s, see HttpClient::read
  EXPECT_EQ(slow.wait_for(0s), std::future_status::timeout);
  gate.set(true);
  EXPECT_EQ(slow.get().status, 200);
}

TEST(Replicas, ARequestThatKillsItsProcessFailsAlone) {
  struct Batched {
    std::vector<int> operator()(const Batch<int>& numbers) const {
      while (!std::filesystem::exists(gate)) std::this_thread::sleep_for(1ms);
      if (std::find(numbers.begin(), numbers.end(), 666) != numbers.end()) std::abort();
      return {numbers.begin(), numbers.end()};
    }
    std::string gate;
  };
  const Flag gate("gate");
  Server server = run(deployment<Batched>({.name = "d", .num_replicas = 2, .max_batch_size = 8}, gate.path), kAnyPort);
  std::vector<std::future<Answer>> answers;
  for (int i = 0; i < 24; ++i) {
    answers.push_back(std::async(std::launch::async, [&, i] {
      return HttpClient(server.address()).post("/d", std::to_string(i == 10 ? 666 : i));
    }));
  }
  EXPECT_TRUE(within_20s(
      [&] { return metric_is(server, "nv_inference_pending_request_count{model=\"d\",version=\"1\"} 24"); }));
  gate.set(true);  // most of them are in batches now
  for (int i = 0; i < 24; ++i) {
    const Answer answer = answers[static_cast<std::size_t>(i)].get();
    if (i == 10) {
      EXPECT_EQ(answer.status, 500);
      EXPECT_THAT(answer.body,
                  HasSubstr("the process that computed this request ended, each of the 4 times that it was tried"));
      EXPECT_THAT(answer.body, ::testing::AnyOf(HasSubstr("signal 6"), HasSubstr("SIGABRT")));
    } else {
      EXPECT_EQ(answer.status, 200) << answer.body;
      EXPECT_EQ(answer.body, std::to_string(i));
    }
  }
}

TEST(Replicas, WhatClientsThatHaveLeftAskedForIsNotComputed) {
  struct Counts {
    std::string operator()(const Request& request) {
      while (request.query == "hold" && !std::filesystem::exists(gate)) std::this_thread::sleep_for(1ms);
      return std::to_string(++calls);
    }
    std::string gate;
    int calls = 0;
  };
  const Flag gate("gate");
  Server server = run(deployment<Counts>({.name = "d"}, gate.path), kAnyPort);
  auto held = std::async(std::launch::async, [&] { return HttpClient(server.address()).get("/d?hold"); });
  const auto pending = [&](int count) {
    return within_20s([&] {
      return metric_is(server,
                       "nv_inference_pending_request_count{model=\"d\",version=\"1\"} " + std::to_string(count));
    });
  };
  ASSERT_TRUE(pending(1));
  {
    std::vector<std::unique_ptr<HttpClient>> leaving;
    for (int i = 0; i < 10; ++i) {
      leaving.push_back(std::make_unique<HttpClient>(server.address()));
      leaving.back()->send("GET /d HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    ASSERT_TRUE(pending(11));
  }
  EXPECT_TRUE(pending(1));
  gate.set(true);
  EXPECT_EQ(held.get().body, "1");
  EXPECT_EQ(HttpClient(server.address()).get("/d").body, "2");
}

TEST(Replicas, ARunningRequestHearsThatItsClientHasLeft) {
  struct Stops {
    std::string operator()(const Request& request, std::stop_token stop) {
      if (request.query == "wait") {
        std::ofstream(runs).put('1');
        while (!stop.stop_requested()) std::this_thread::sleep_for(1ms);
        ++stopped;
      }
      return std::to_string(stopped);
    }
    std::string runs;
    int stopped = 0;
  };
  const Flag runs("runs");
  Server server = run(deployment<Stops>({.name = "d"}, runs.path), kAnyPort);
  {
    HttpClient leaving(server.address());
    leaving.send("GET /d?wait HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(within_20s([&] { return std::filesystem::exists(runs.path); }));
  }
  EXPECT_EQ(HttpClient(server.address()).get("/d").body, "1");
}

}  // namespace
}  // namespace manta::serve::testing
