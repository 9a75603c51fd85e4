// Replicas that are replaced, removed by scaling or stopped end within graceful_shutdown_timeout, even if handles refer
// to them; calls through such a handle succeed.
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/serve/callables.h"
#include "tests/support/process.h"

namespace manta::serve::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

const HttpOptions kAnyPort{.port = 0};
constexpr std::chrono::seconds kMargin{2};

// A process with a handle, which it uses on request.
struct Caller {
  explicit Caller(Handle<Pid> handle) : pid(std::move(handle)) {}
  std::string ask(const std::string& query) { return manta::get(pid(Request{.query = query})); }
  // Makes calls that queue at the replicas; returns how many were answered.
  int ask_often(int times) {
    std::vector<Ref<std::string>> answers;
    for (int i = 0; i < times; ++i) answers.push_back(pid(Request{.query = "slow"}));
    int good = 0;
    for (const auto& answer : answers) good += manta::try_get(answer) ? 1 : 0;
    return good;
  }
  Handle<Pid> pid;
};

// Version 0 never answers the request "hold".
struct Holds {
  std::string operator()(const Request& request) {
    while (request.query == "hold" && text == "0") std::this_thread::sleep_for(1ms);
    return text + ":" + std::to_string(::getpid());
  }
  std::string text;
};

void await_held_request(const Server& server) {
  while (HttpClient(server.address()).get("/metrics").body.find("request_count{model=\"holds\",version=\"1\"} 1\n") ==
         std::string::npos) {
  }
}

std::set<int> pids_of(Server& server, std::size_t count) {
  std::set<int> pids;
  HttpClient client(server.address());
  for (const auto end = Clock::now() + 20s; pids.size() < count && Clock::now() < end;) {
    const std::string body = client.get("/pid").body;
    pids.insert(std::stoi(body.substr(body.find(':') + 1)));
  }
  return pids;
}

bool all_end_by(const std::set<int>& pids, Clock::time_point deadline) {
  return std::all_of(pids.begin(), pids.end(), [&](int pid) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    return support::await_exit(pid, std::max(left, 0ms));
  });
}

DeploymentOptions options(int replicas, std::chrono::milliseconds graceful) {
  return {.name = "pid", .num_replicas = replicas, .graceful_shutdown_timeout = graceful};
}

class Replaced : public ::testing::Test {
 protected:
  // Two replicas, and a caller that has called once and is idle since.
  void start(std::chrono::milliseconds graceful) {
    graceful_ = graceful;
    const Handle<Pid> handle = server.run(deployment<Pid>(options(2, graceful), "0"));
    caller = manta::actor<Caller>(handle);
    ASSERT_THAT(ask(), StartsWith("0:"));
    begin();
  }
  // The present replicas should end from now on.
  void begin() {
    old = pids_of(server, 2);
    ASSERT_EQ(old.size(), 2u);
    begun_ = Clock::now();
  }
  bool old_ends_in_time() const { return all_end_by(old, begun_ + graceful_ + kMargin); }
  std::string ask(const std::string& query = "") { return manta::get(caller.call<&Caller::ask>(query)); }

  Server server{kAnyPort};
  Actor<Caller> caller;
  std::set<int> old;

 private:
  std::chrono::milliseconds graceful_{0};
  Clock::time_point begun_;
};

TEST_F(Replaced, ReplicasEndThoughAnIdleHandleHasThem) {
  for (const auto graceful : {0ms, 1500ms}) {
    start(graceful);
    for (const int replicas : {2, 1}) {  // another version; fewer
      const std::string version = std::to_string(replicas);
      begin();
      server.run(deployment<Pid>(options(replicas, graceful), version));
      EXPECT_TRUE(old_ends_in_time());
      EXPECT_THAT(ask(), StartsWith(version + ":"));
    }
    server.stop("pid");
  }
}

TEST_F(Replaced, AnIdleHandleLearnsOfItFromADirectoryThatWasStartedAgain) {
  start(0ms);
  const Handle<Pid> handle = server.run(deployment<Pid>(options(1, 0ms), "1"));
  EXPECT_TRUE(old_ends_in_time());
  manta::kill(handle.targets()->directory(), {.restart = true});
  EXPECT_THAT(ask(), StartsWith("1:"));
}

TEST_F(Replaced, ReplicasEndWhenTheDeploymentIsStopped) {
  start(300ms);
  server.stop("pid");
  EXPECT_TRUE(old_ends_in_time());
  EXPECT_THROW(ask(), manta::Error);
}

TEST_F(Replaced, ReplicasEndWhenTheServerIsShutDown) {
  start(20s);
  const auto begun = Clock::now();
  server.shutdown();
  EXPECT_LT(Clock::now() - begun, 5s) << "the handle is idle: nothing is waited for";
  EXPECT_TRUE(all_end_by(old, begun + 5s));
  EXPECT_THROW(ask(), manta::Error);
}

TEST_F(Replaced, CallsThatAreUnderWayAreAnswered) {
  start(20s);
  const Ref<int> answered = caller.call<&Caller::ask_often>(10);  // for a second
  std::this_thread::sleep_for(100ms);
  server.run(deployment<Pid>(options(1, 20s), "1"));
  EXPECT_EQ(manta::get(answered), 10);
  EXPECT_THAT(ask(), StartsWith("1:"));
}

TEST_F(Replaced, AShutDownAnswersTheCallsThatAreUnderWay) {
  start(20s);
  const Ref<int> answered = caller.call<&Caller::ask_often>(10);
  std::this_thread::sleep_for(100ms);
  server.shutdown();
  EXPECT_EQ(manta::get(answered), 10);
}

// The callers' pauses are shorter and longer than kRosterIsFresh.
TEST_F(Replaced, NoCallFailsWhileVersionsFollowEachOther) {
  struct Pauses {
    explicit Pauses(Handle<Pid> handle) : pid(std::move(handle)) {}
    int ask(int pause_ms, int times) {
      int good = 0;
      for (int i = 0; i < times; ++i) {
        good += manta::try_get(pid(Request{})) ? 1 : 0;
        std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
      }
      return good;
    }
    Handle<Pid> pid;
  };
  const Handle<Pid> handle = server.run(deployment<Pid>(options(2, 0ms), "0"));
  std::vector<Actor<Pauses>> callers;
  std::vector<std::pair<int, Ref<int>>> answered;
  for (const auto& [pause, times] : std::vector<std::pair<int, int>>{{1, 3000}, {90, 50}, {400, 12}, {700, 7}}) {
    callers.push_back(manta::actor<Pauses>(handle));
    answered.emplace_back(times, callers.back().call<&Pauses::ask>(pause, times));
  }
  for (int version = 1; version <= 8; ++version) {
    server.run(deployment<Pid>(options(1 + version % 2, 0ms), std::to_string(version)));
    std::this_thread::sleep_for(500ms);
  }
  for (const auto& [times, good] : answered) EXPECT_EQ(manta::get(good), times);
}

TEST_F(Replaced, ARequestThatTakesLongerIsRepeatedElsewhere) {
  const DeploymentOptions short_time{.name = "holds", .graceful_shutdown_timeout = 100ms};
  server.run(deployment<Holds>(short_time, "0"));
  HttpClient held(server.address());
  const std::string body = held.get("/holds").body;
  held.send("GET /holds?hold HTTP/1.1\r\nHost: x\r\n\r\n");
  await_held_request(server);
  const auto begun = Clock::now();
  server.run(deployment<Holds>(short_time, "1"));
  EXPECT_TRUE(all_end_by({std::stoi(body.substr(2))}, begun + 100ms + kMargin));
  const Answer answer = held.read();
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, StartsWith("1:"));
}

TEST_F(Replaced, AShutDownDoesNotWaitForARequestWhoseClientHasLeft) {
  server.run(deployment<Holds>({.name = "holds"}, "0"));
  const int pid = std::stoi(HttpClient(server.address()).get("/holds").body.substr(2));
  {
    HttpClient leaving(server.address());
    leaving.send("GET /holds?hold HTTP/1.1\r\nHost: x\r\n\r\n");
    await_held_request(server);
  }
  const auto begun = Clock::now();
  server.shutdown();
  EXPECT_LT(Clock::now() - begun, 5s);
  EXPECT_TRUE(all_end_by({pid}, begun + 5s));
}

TEST(ReplacedOptions, ATimeoutBelowZeroIsRefused) {
  Server server(kAnyPort);
  try {
    server.run(deployment<Pid>(options(1, -1ms)));
    ADD_FAILURE() << "it was taken";
  } catch (const manta::Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_THAT(error.what(), HasSubstr("graceful_shutdown_timeout"));
  }
}

}  // namespace
}  // namespace manta::serve::testing
