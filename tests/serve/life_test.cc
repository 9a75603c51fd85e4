// Deployments over time: started, overloaded, killed, updated, ended. No accepted request is lost.
#include <signal.h>
#include <sys/resource.h>

#include <atomic>
#include <future>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/serve/callables.h"

namespace manta::serve::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using namespace std::chrono_literals;

const HttpOptions kAnyPort{.port = 0};

int pid_of(const std::string& body) { return std::stoi(body.substr(body.find(':') + 1)); }

// Threads that request /pid without a pause, each on one connection.
class Load {
 public:
  Load(const Server& server, int clients) {
    for (int i = 0; i < clients; ++i) {
      threads_.emplace_back([this, address = server.address()](const std::stop_token& stop) {
        HttpClient client(address);
        while (!stop.stop_requested()) {
          const Answer answer = client.get("/pid");
          ++asked_;
          if (answer.status != 200) ++failed_;
        }
      });
    }
  }
  void stop() { threads_.clear(); }
  int asked() const { return asked_; }
  int failed() const { return failed_; }

 private:
  std::atomic<int> asked_{0}, failed_{0};
  std::vector<std::jthread> threads_;
};

TEST(Life, WhatCannotBeServedIsSaidAtOnce) {
  Server server(kAnyPort);
  EXPECT_THROW(server.run(deployment<Sum>({.name = ""})), manta::Error);
  EXPECT_THROW(server.run(deployment<Sum>({.name = "a/b"})), manta::Error);
  EXPECT_THROW(server.run(deployment<Sum>({.name = "v2"})), manta::Error);
  EXPECT_THROW(server.run(deployment<Sum>({.name = "a", .num_replicas = 0})), manta::Error);
  try {
    server.run(deployment<FailsToStart>({.name = "fails"}));
    ADD_FAILURE() << "started";
  } catch (const manta::TaskError& error) {
    EXPECT_THAT(error.what(), HasSubstr("no weights"));
    EXPECT_THAT(error.what(), StartsWith("a replica of 'fails' cannot be made"));
  }
  try {
    server.run(deployment<Sum>({.name = "much", .num_replicas = 3, .num_cpus = 1, .start_timeout = 300ms}));
    ADD_FAILURE() << "started";
  } catch (const manta::Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("start_timeout"));
  }
  EXPECT_EQ(HttpClient(server.address()).get("/fails").status, 404);
  try {
    Server second(
        {.port = static_cast<std::uint16_t>(std::stoi(server.address().substr(server.address().find(':') + 1)))});
    ADD_FAILURE() << "the same port twice";
  } catch (const manta::Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("cannot listen at 127.0.0.1"));
  }
  EXPECT_THROW(server.stop("nothing"), manta::Error);
}

TEST(Life, AFullQueueIsAnswered503) {
  Server server = run(deployment<Pid>({.name = "pid", .max_ongoing_requests = 1, .max_queued_requests = 2}), kAnyPort);
  std::vector<std::future<Answer>> answers;
  for (int i = 0; i < 8; ++i) {
    answers.push_back(std::async(std::launch::async, [&] { return HttpClient(server.address()).get("/pid?slow"); }));
  }
  int good = 0, overloaded = 0;
  for (auto& each : answers) {
    const Answer answer = each.get();
    if (answer.status == 200) ++good;
    if (answer.status != 503) continue;
    ++overloaded;
    EXPECT_EQ(answer.header("Retry-After"), "1");
    EXPECT_THAT(answer.body, HasSubstr("overloaded"));
  }
  EXPECT_EQ(good + overloaded, 8);
  EXPECT_GE(good, 2);
  EXPECT_GE(overloaded, 1);
  EXPECT_THAT(HttpClient(server.address()).get("/metrics").body,
              HasSubstr("reason=\"REJECTED\"} " + std::to_string(overloaded) + "\n"));
}

TEST(Life, AKilledReplicaIsReplacedAndItsRequestsAreRepeated) {
  Server server = run(deployment<Pid>({.name = "pid", .num_replicas = 2, .max_retries = -1}), kAnyPort);
  Load load(server, 4);
  std::set<int> killed;
  for (int i = 0; i < 10; ++i) {
    const int pid = pid_of(HttpClient(server.address()).get("/pid").body);
    ASSERT_FALSE(killed.contains(pid)) << "a killed process answers";
    killed.insert(pid);
    ASSERT_EQ(::kill(pid, SIGKILL), 0);
    const int before = load.asked();
    while (load.asked() < before + 50) std::this_thread::sleep_for(1ms);
  }
  load.stop();
  EXPECT_GT(load.asked(), 500);
  EXPECT_EQ(load.failed(), 0);
}

TEST(Life, ARollingUpdateUnderLoadLosesNothing) {
  for (const double cpus : {0.0, 0.5}) {
    Server server(kAnyPort);
    const Handle<Pid> handle = server.run(deployment<Pid>({.name = "pid", .num_replicas = 2, .num_cpus = cpus}, "0"));
    Load load(server, 4);
    for (int version = 1; version <= 5; ++version) {
      server.run(
          deployment<Pid>({.name = "pid", .num_replicas = 1 + version % 2, .num_cpus = cpus}, std::to_string(version)));
      EXPECT_THAT(HttpClient(server.address()).get("/pid").body, StartsWith(std::to_string(version) + ":"));
      EXPECT_THAT(manta::get(handle(Request{})), StartsWith(std::to_string(version) + ":"));
      const int before = load.asked();
      while (load.asked() < before + 20) std::this_thread::sleep_for(1ms);
    }
    load.stop();
    EXPECT_GT(load.asked(), 100);
    EXPECT_EQ(load.failed(), 0);
  }
}

TEST(Life, AHandleInAnotherDeploymentFollowsUpdates) {
  Server server(kAnyPort);
  const Handle<Pid> pid = server.run(deployment<Pid>({.name = "pid", .num_replicas = 2}, "0"));
  server.run(deployment<Relay>({.name = "relay"}, pid));
  HttpClient client(server.address());
  std::string answer = client.get("/relay").body;
  ASSERT_THAT(answer, StartsWith("0:"));
  const auto within = [](const auto& done) {
    for (const auto end = std::chrono::steady_clock::now() + 20s; !done() && std::chrono::steady_clock::now() < end;) {
      std::this_thread::sleep_for(1ms);
    }
    return done();
  };
  for (int version = 1; version <= 3; ++version) {
    const int old = pid_of(answer);
    server.run(deployment<Pid>({.name = "pid", .num_replicas = 1 + version % 2}, std::to_string(version)));
    EXPECT_TRUE(within([&] {
      const Answer now = client.get("/relay");
      EXPECT_EQ(now.status, 200);
      answer = now.body;
      return answer.starts_with(std::to_string(version) + ":");
    })) << answer;
    EXPECT_TRUE(within([&] {
      (void)client.get(
          "/relay");  // a handle in use follows updates: between two of them the roster has old replicas too
      return ::kill(old, 0) != 0;
    })) << "a replica that no handle has lives on";
  }
  server.stop("pid");
  EXPECT_TRUE(within([&] { return client.get("/relay").status == 503; })) << "of a deployment that has been stopped";
}

TEST(Life, AnUpdateThatCannotStartChangesNothing) {
  Server server = run(deployment<Pid>({.name = "pid"}, "old"), kAnyPort);
  EXPECT_THROW(server.run(deployment<FailsToStart>({.name = "pid"})), manta::TaskError);
  EXPECT_THAT(HttpClient(server.address()).get("/pid").body, StartsWith("old:"));
}

TEST(Life, ShutdownAnswersWhatIsUnderWay) {
  Server server = run(deployment<Pid>({.name = "pid"}), kAnyPort);
  HttpClient idle(server.address());
  ASSERT_EQ(idle.get("/pid").status, 200);
  auto slow = std::async(std::launch::async, [&] { return HttpClient(server.address()).get("/pid?slow"); });
  while (HttpClient(server.address())
             .get("/metrics")
             .body.find("pending_request_count{model=\"pid\",version=\"1\"} 1\n") == std::string::npos) {
  }
  server.shutdown();
  EXPECT_EQ(slow.get().status, 200);
  EXPECT_TRUE(idle.closed(10s));
  EXPECT_EQ(server.address(), "");
  server.shutdown();
  EXPECT_THROW(server.run(deployment<Pid>({.name = "pid"})), manta::Error);
  EXPECT_THROW(server.stop("pid"), manta::Error);
}

TEST(Life, AStopThatTakesTooLongAnswersWhatIsLeft) {
  Server server(kAnyPort);
  const Handle<Pid> handle =
      server.run(deployment<Pid>({.name = "pid", .max_ongoing_requests = 1, .graceful_shutdown_timeout = 20ms}));
  std::vector<std::future<Answer>> answers;
  for (int i = 0; i < 3; ++i) {
    answers.push_back(std::async(std::launch::async, [&] { return HttpClient(server.address()).get("/pid?slow"); }));
  }
  while (HttpClient(server.address())
             .get("/metrics")
             .body.find("pending_request_count{model=\"pid\",version=\"1\"} 3\n") == std::string::npos) {
  }
  server.stop("pid");
  for (auto& answer : answers) EXPECT_EQ(answer.get().status, 503);
  EXPECT_THROW((void)handle(Request{}), manta::Error);
}

// A loop that waits for a batch, or for the end, sleeps.
TEST(Life, WaitingCostsNoProcessor) {
  Server server = run(deployment<Sizes>({.name = "sizes", .max_batch_size = 3, .batch_wait = 400ms}), kAnyPort);
  HttpClient client(server.address());
  client.post("/sizes", "1");
  const auto used = [] {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto time = [](const timeval& t) {
      return std::chrono::seconds(t.tv_sec) + std::chrono::microseconds(t.tv_usec);
    };
    return time(usage.ru_utime) + time(usage.ru_stime);
  };
  const auto before = used();
  EXPECT_EQ(client.post("/sizes", "7").body, "[7,1]");
  EXPECT_LT(used() - before, 200ms);
}

TEST(Life, AnIllReplicaIsStartedAgain) {
  Server server = run(deployment<Ill>({.name = "ill", .health_check_period = 20ms}), kAnyPort);
  HttpClient client(server.address());
  const std::string first = client.post("/ill", "0").body;
  client.post("/ill", "1");
  client.post("/ill", "1");  // from now on it reports that it is unhealthy
  std::string now = first;
  for (const auto end = std::chrono::steady_clock::now() + 20s;
       now == first && std::chrono::steady_clock::now() < end;) {
    now = client.post("/ill", "0").body;
    std::this_thread::sleep_for(5ms);
  }
  EXPECT_NE(now, first);
}

TEST(Life, ACheckOfHealthThatHangsIsNoticed) {
  struct Hangs {
    int operator()(int x) {
      hang = hang || x == 1;
      return x == 1 ? 1 : ::getpid();
    }
    void check_health() const {
      if (hang) std::this_thread::sleep_for(1h);
    }
    bool hang = false;
  };
  Server server =
      run(deployment<Hangs>({.name = "hangs", .health_check_period = 20ms, .health_check_timeout = 300ms}), kAnyPort);
  HttpClient client(server.address());
  const std::string first = client.post("/hangs", "0").body;
  client.post("/hangs", "1");
  std::string now = first;
  for (const auto end = std::chrono::steady_clock::now() + 20s;
       now == first && std::chrono::steady_clock::now() < end;) {
    now = client.post("/hangs", "0").body;
  }
  EXPECT_NE(now, first);
}

}  // namespace
}  // namespace manta::serve::testing
