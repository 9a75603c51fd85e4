// Router: which requests go where, and when (ROUTE-1 to ROUTE-6). Liveness: which replicas hang (LIVE-1 and LIVE-2).
#include <algorithm>
#include <map>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "serve/router/liveness.h"
#include "serve/router/router.h"

namespace manta::serve {
namespace {

using namespace std::chrono_literals;

const Router::Time kStart{};

// A router with ready replicas, which numbers its dispatches.
struct Fixture {
  explicit Fixture(const Router::Options& options, int replicas = 1) : router(options) {
    for (int i = 0; i < replicas; ++i) add(static_cast<ReplicaId>(i));
  }
  void add(ReplicaId id) {
    router.add(id);
    router.set_ready(id, true);
  }
  std::optional<Router::Dispatch> next(Router::Time now = kStart) {
    auto dispatch = router.next(now, next_id);
    if (dispatch) ++next_id;
    return dispatch;
  }
  // All dispatches that can leave now.
  std::vector<Router::Dispatch> all(Router::Time now = kStart) {
    std::vector<Router::Dispatch> sent;
    while (auto dispatch = next(now)) sent.push_back(*dispatch);
    return sent;
  }
  void enqueue(RequestId from, RequestId to, Router::Time now = kStart) {
    for (RequestId request = from; request <= to; ++request) ASSERT_TRUE(router.enqueue(request, now));
  }
  // Makes the router expect that a request takes `cost`.
  void learn(std::chrono::nanoseconds cost) {
    router.enqueue(0, kStart);
    const auto dispatch = next();
    ASSERT_TRUE(dispatch);
    router.finished(dispatch->id, kStart, cost);
  }
  Router router;
  DispatchId next_id = 1;
};

using Requests = std::vector<RequestId>;

TEST(Router, AQueueIsInOrderAndHasALimit) {
  Fixture f({.max_ongoing = 3, .max_queued = 4});
  f.learn(1us);
  f.enqueue(1, 4);
  EXPECT_FALSE(f.router.enqueue(5, kStart));
  const auto first = f.next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->requests, (Requests{1, 2, 3}));
  EXPECT_FALSE(f.next());
  EXPECT_EQ(f.router.queued(), 1u);
  f.router.finished(first->id, kStart, 1us);
  EXPECT_EQ(f.next()->requests, Requests{4});
}

TEST(Router, SlowRequestsWaitInTheQueueForTheFirstFreeReplica) {
  Fixture f({.max_ongoing = 100}, 2);
  f.learn(40ms);
  f.enqueue(1, 10);
  const auto sent = f.all();
  ASSERT_EQ(sent.size(), 2u) << "one for each replica, none is sent ahead";
  EXPECT_NE(sent[0].replica, sent[1].replica);
  EXPECT_EQ(sent[0].requests, Requests{1});
  f.router.finished(sent[1].id, kStart + 40ms, 40ms);
  const auto next = f.all(kStart + 40ms);
  ASSERT_EQ(next.size(), 1u);
  EXPECT_EQ(next[0].replica, sent[1].replica);
  EXPECT_EQ(next[0].requests, Requests{3});
}

TEST(Router, FastRequestsAreSentAheadToTheReplicaWithTheFewest) {
  Fixture f({.max_ongoing = 100}, 4);
  f.learn(10us);
  f.enqueue(1, 200);
  std::map<ReplicaId, std::size_t> ongoing;
  for (const auto& dispatch : f.all()) {
    EXPECT_EQ(dispatch.requests.size(), 1u) << "each can be taken back by itself";
    ++ongoing[dispatch.replica];
  }
  for (const auto& [replica, count] : ongoing) EXPECT_EQ(count, 50u) << replica;
}

TEST(Router, WhatWaitsBehindASlowRequestComesBackForAFreeReplica) {
  Fixture f({.max_ongoing = 100}, 2);
  f.learn(10us);
  f.enqueue(1, 8);
  const auto sent = f.all();
  ASSERT_EQ(sent.size(), 8u);
  const ReplicaId slow = sent[0].replica, fast = 1 - slow;
  std::vector<DispatchId> behind;
  for (const auto& dispatch : sent) {
    if (dispatch.replica == fast) f.router.finished(dispatch.id, kStart, 10us);
    if (dispatch.replica == slow && dispatch.id != sent[0].id) behind.push_back(dispatch.id);
  }
  EXPECT_TRUE(f.router.take_back(kStart).empty()) << "it may be done in a moment";
  ASSERT_TRUE(f.router.deadline());
  EXPECT_EQ(*f.router.deadline(), kStart + Router::kPatience);
  const auto taken = f.router.take_back(kStart + Router::kPatience);
  EXPECT_EQ(taken, (std::vector<DispatchId>{behind[1], behind[2]})) << "the newer half";
  EXPECT_TRUE(f.router.take_back(kStart + Router::kPatience).empty()) << "each is announced once";
  for (const DispatchId id : taken) {
    EXPECT_FALSE(f.router.oldest(id));
    f.router.returned(id);
  }
  for (const auto& dispatch : f.all(kStart + Router::kPatience)) EXPECT_EQ(dispatch.replica, fast);
}

TEST(Router, BatchesWaitOnlyWhileNotFullAndWithoutAFreeReplica) {
  Fixture f({.max_batch = 4, .max_ongoing = 8, .batch_wait = 2ms});
  f.router.enqueue(1, kStart);
  EXPECT_FALSE(f.next());
  ASSERT_TRUE(f.router.deadline());
  EXPECT_EQ(*f.router.deadline(), kStart + 2ms);
  const auto first = f.next(kStart + 2ms);
  EXPECT_EQ(first->requests, Requests{1});
  f.enqueue(2, 9, kStart + 3ms);
  EXPECT_FALSE(f.next(kStart + 10ms)) << "it is not known what a batch takes";
  EXPECT_FALSE(f.router.deadline());
  f.router.finished(first->id, kStart + 10ms, 100us);
  const auto second = f.next(kStart + 10ms), third = f.next(kStart + 10ms);
  ASSERT_TRUE(second && third) << "a full one waits at the replica";
  EXPECT_EQ(third->requests, (Requests{6, 7, 8, 9}));
  f.enqueue(10, 13, kStart + 10ms);
  EXPECT_FALSE(f.next(kStart + 10ms)) << "but no third";
  f.router.finished(second->id, kStart + 20ms, 20ms);
  f.router.finished(third->id, kStart + 20ms, 20ms);
  f.enqueue(14, 18, kStart + 20ms);
  EXPECT_EQ(f.all(kStart + 20ms).size(), 1u) << "slow batches wait in the queue";
}

TEST(Router, ADrainingReplicaAndOneThatIsNotReadyGetNothing) {
  Fixture f({}, 3);
  f.learn(1us);
  f.router.drain(0);
  f.router.set_ready(2, false);
  f.enqueue(1, 20);
  for (const auto& dispatch : f.all()) EXPECT_EQ(dispatch.replica, 1u);
  EXPECT_TRUE(f.router.idle(0));
  EXPECT_FALSE(f.router.idle(1));
  EXPECT_TRUE(f.router.take_back(kStart + 1s).empty()) << "the others can take nothing";
  f.router.set_ready(1, false);
  f.enqueue(21, 21);
  EXPECT_FALSE(f.next());
  EXPECT_FALSE(f.router.any_ready());
  EXPECT_FALSE(f.router.hopeless(kStart)) << "it may be back in a moment";
  EXPECT_TRUE(f.router.hopeless(kStart + Router::kHope));
  EXPECT_EQ(f.router.give_up(), Requests{21});
  f.router.set_ready(1, true);
  EXPECT_FALSE(f.router.hopeless(kStart + Router::kHope));
  f.router.remove(1);
  f.router.finished(2, kStart, 1us);  // of a removed replica
}

TEST(Router, TheRequestThatKillsIsFoundAndTheOthersOfItsBatchSucceed) {
  Fixture f({.max_batch = 8, .max_retries = 3}, 2);
  f.enqueue(1, 8);
  const RequestId killer = 5;
  auto batch = f.next();
  ASSERT_EQ(batch->requests.size(), 8u);
  EXPECT_TRUE(f.router.oldest(batch->id));
  EXPECT_TRUE(f.router.died(batch->id).empty());
  f.enqueue(9, 10);
  std::set<RequestId> answered, given_up;
  for (int step = 0; step < 100 && (f.router.queued() > 0 || f.router.ongoing() > 0); ++step) {
    for (const auto& dispatch : f.all()) {
      if (dispatch.requests.front() <= 8) {
        ASSERT_EQ(dispatch.requests.size(), 1u) << "alone";
        ASSERT_FALSE(
            std::any_of(answered.begin(), answered.end(), [&](RequestId id) { return id == dispatch.requests[0]; }));
      }
      if (dispatch.requests.front() == killer) {
        for (const RequestId id : f.router.died(dispatch.id)) given_up.insert(id);
      } else {
        answered.insert(dispatch.requests.begin(), dispatch.requests.end());
        f.router.finished(dispatch.id, kStart, 1us);
      }
    }
  }
  EXPECT_EQ(given_up, std::set<RequestId>{killer});
  EXPECT_EQ(answered, (std::set<RequestId>{1, 2, 3, 4, 6, 7, 8, 9, 10}));
}

TEST(Router, RetriesHaveALimit) {
  Fixture none({.max_retries = 0});
  none.enqueue(1, 1);
  EXPECT_EQ(none.router.died(none.next()->id), Requests{1});
  Fixture endless({.max_retries = -1});
  endless.enqueue(1, 1);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(endless.router.died(endless.next()->id).empty());
}

TEST(Router, WhatALeavingClientAskedForIsDropped) {
  Fixture f({.max_ongoing = 1});
  f.enqueue(1, 4);
  const auto running = f.next();
  EXPECT_FALSE(f.router.drop(1)) << "it runs";
  EXPECT_TRUE(f.router.drop(3));
  EXPECT_FALSE(f.router.drop(3));
  f.router.finished(running->id, kStart, 1ms);
  std::vector<RequestId> left;
  while (const auto dispatch = f.next()) {
    left.insert(left.end(), dispatch->requests.begin(), dispatch->requests.end());
    f.router.finished(dispatch->id, kStart, 1ms);
  }
  EXPECT_EQ(left, (Requests{2, 4}));
}

// Random histories: requests leave in order and within limits, none is lost or sent twice, and no replica is idle while
// a request could leave.
TEST(Router, RandomHistories) {
  for (std::uint32_t seed = 1; seed <= 200; ++seed) {
    std::mt19937 random(seed);
    const auto pick = [&](std::uint32_t n) { return random() % n; };
    Router::Options options{.max_batch = pick(2) * (1 + pick(8)),
                            .max_ongoing = 1 + pick(20),
                            .max_queued = 1 + pick(50),
                            .batch_wait = std::chrono::microseconds(pick(3) * 100),
                            .max_retries = static_cast<int>(pick(4)) - 1};
    options.max_ongoing = std::max(options.max_ongoing, std::size_t{2} * options.max_batch);
    Router router(options, seed);
    struct Known {
      bool ready = false, draining = false;
      std::size_t ongoing = 0;
    };
    std::map<ReplicaId, Known> replicas;
    std::vector<Router::Dispatch> sent;
    std::set<RequestId> waiting, dead;  // dead: retried alone from now on
    Router::Time now = kStart;
    RequestId next_request = 1;
    DispatchId next_dispatch = 1;
    ReplicaId next_replica = 0;
    const auto any_replica = [&] {
      return std::next(replicas.begin(), pick(static_cast<std::uint32_t>(replicas.size())));
    };
    for (int step = 0; step < 400; ++step) {
      now += std::chrono::microseconds(pick(100));
      switch (pick(8)) {
        case 0:
          if (replicas.size() < 4) router.add(next_replica), replicas[next_replica++];
          break;
        case 1:
          if (!replicas.empty() && pick(4) == 0) {
            const auto it = any_replica();
            if (!it->second.draining) {
              router.drain(it->first);
              it->second.draining = true;
            } else if (router.idle(it->first)) {
              ASSERT_EQ(it->second.ongoing, 0u);
              router.remove(it->first);
              replicas.erase(it);
            }
          }
          break;
        case 2:
          if (!replicas.empty()) {
            const auto it = any_replica();
            it->second.ready = pick(4) != 0;
            router.set_ready(it->first, it->second.ready);
          }
          break;
        case 3:
        case 4:
          if (!sent.empty()) {
            const std::size_t i = pick(static_cast<std::uint32_t>(sent.size()));
            const Router::Dispatch over = sent[i];
            sent.erase(sent.begin() + static_cast<std::ptrdiff_t>(i));
            replicas[over.replica].ongoing -= over.requests.size();
            const auto how = pick(4);
            if (how == 0) {
              router.returned(over.id);
              waiting.insert(over.requests.begin(), over.requests.end());
            } else if (how == 1) {
              const auto given_up = router.died(over.id);
              ASSERT_TRUE(options.max_retries >= 0 || given_up.empty());
              for (const RequestId id : over.requests) {
                if (std::find(given_up.begin(), given_up.end(), id) == given_up.end())
                  waiting.insert(id), dead.insert(id);
              }
            } else {
              router.finished(over.id, now, std::chrono::microseconds(pick(2000)));
            }
          }
          break;
        case 5:
          if (!waiting.empty() && pick(3) == 0) {
            const RequestId id = *std::next(waiting.begin(), pick(static_cast<std::uint32_t>(waiting.size())));
            ASSERT_TRUE(router.drop(id));
            waiting.erase(id);
          }
          break;
        default:
          if (router.enqueue(next_request, now)) {
            waiting.insert(next_request++);
          } else {
            ASSERT_GE(router.queued(), options.max_queued);
          }
      }
      while (const auto dispatch = router.next(now, next_dispatch)) {
        ++next_dispatch;
        Known& replica = replicas.at(dispatch->replica);
        ASSERT_FALSE(dispatch->requests.empty());
        ASSERT_TRUE(replica.ready && !replica.draining);  // ROUTE-2
        for (const RequestId id : dispatch->requests) {
          ASSERT_EQ(id, *waiting.begin());  // ROUTE-1
          waiting.erase(waiting.begin());
          if (dead.contains(id)) {
            ASSERT_TRUE(dispatch->requests.size() == 1 && replica.ongoing == 0) << "ROUTE-6";
          }
        }
        replica.ongoing += dispatch->requests.size();
        ASSERT_LE(replica.ongoing, options.max_ongoing);
        if (options.max_batch != 0) {
          ASSERT_LE(dispatch->requests.size(), options.max_batch);
        }
        sent.push_back(*dispatch);
      }
      ASSERT_EQ(router.queued(), waiting.size());
      if (router.queued() == 0) continue;
      for (const auto& [id, replica] : replicas) {
        if (!replica.ready || replica.draining || replica.ongoing > 0) continue;
        ASSERT_TRUE(options.max_batch != 0 && router.deadline() && *router.deadline() > now)
            << "seed " << seed << ": waits for nothing";
      }
    }
  }
}

// --- Liveness

constexpr Liveness::Limits kLimits{.period = 1s, .timeout = 3s};

TEST(Liveness, ASilentProcessHangsAndABeatingOneNever) {
  Liveness busy, silent;
  std::uint64_t beats = 0;
  std::vector<int> killed;
  for (int second = 0; second < 10; ++second) {
    EXPECT_FALSE(busy.hangs(++beats, kStart + std::chrono::seconds(second), kLimits));  // LIVE-1
    if (silent.hangs(0, kStart + std::chrono::seconds(second), kLimits)) killed.push_back(second);
  }
  EXPECT_EQ(killed, (std::vector<int>{3, 7})) << "each life has its time, also one that has never beaten";
}

TEST(Liveness, AnotherProcessHasAllItsTime) {
  Liveness live;
  EXPECT_FALSE(live.hangs(7, kStart, kLimits));
  EXPECT_FALSE(live.hangs(7, kStart + 2s, kLimits));
  live.restarted();
  for (int second = 3; second < 6; ++second)
    EXPECT_FALSE(live.hangs(7, kStart + std::chrono::seconds(second), kLimits));
  EXPECT_TRUE(live.hangs(7, kStart + 6s, kLimits));
}

TEST(Liveness, TimeInWhichTheObserverStoodStillDoesNotCount) {
  Liveness live;
  EXPECT_FALSE(live.hangs(1, kStart, kLimits));
  EXPECT_FALSE(live.hangs(1, kStart + 1h, kLimits));  // LIVE-2
  EXPECT_FALSE(live.hangs(2, kStart + 1h + 1s, kLimits));
}

}  // namespace
}  // namespace manta::serve
