// Router: which requests go where, and when (ROUTE-1 to ROUTE-4).
#include <algorithm>
#include <map>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "serve/router/router.h"

namespace manta::serve {
namespace {

using namespace std::chrono_literals;

const Router::Time kStart{};

TEST(Router, SendsWhatIsQueuedInOrderAndUpToTheLimit) {
  Router router({.max_ongoing = 3, .max_queued = 4});
  router.add(1);
  for (RequestId id = 1; id <= 4; ++id) EXPECT_TRUE(router.enqueue(id, kStart));
  EXPECT_FALSE(router.enqueue(5, kStart));
  const auto first = router.next(kStart);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->replica, 1u);
  EXPECT_EQ(first->requests, (std::vector<RequestId>{1, 2, 3}));
  EXPECT_FALSE(router.next(kStart));
  EXPECT_EQ(router.queued(), 1u);
  router.finished(1, 3);
  EXPECT_EQ(router.next(kStart)->requests, std::vector<RequestId>{4});
}

TEST(Router, SharesOutAndPrefersWhoHasLess) {
  Router router({.max_ongoing = 100});
  for (ReplicaId id = 0; id < 4; ++id) router.add(id);
  std::map<ReplicaId, std::size_t> ongoing;
  for (RequestId id = 0; id < 200; ++id) {
    router.enqueue(id, kStart);
    ++ongoing[router.next(kStart)->replica];
  }
  for (const auto& [replica, count] : ongoing) EXPECT_NEAR(static_cast<double>(count), 50, 5) << replica;
  for (RequestId id = 0; id < 40; ++id) router.enqueue(id, kStart);
  EXPECT_EQ(router.next(kStart)->requests.size(), 10u);  // a share, not all
}

TEST(Router, BatchesWaitOnlyWhileNotFullAndWithoutAFreeReplica) {
  Router router({.max_batch = 4, .max_ongoing = 8, .batch_wait = 2ms});
  router.add(0);
  router.enqueue(1, kStart);
  EXPECT_FALSE(router.next(kStart));
  ASSERT_TRUE(router.deadline());
  EXPECT_EQ(*router.deadline(), kStart + 2ms);
  EXPECT_EQ(router.next(kStart + 2ms)->requests, std::vector<RequestId>{1});
  for (RequestId id = 2; id <= 4; ++id) router.enqueue(id, kStart + 3ms);
  EXPECT_FALSE(router.next(kStart + 10ms)) << "the replica is busy, and the batch is not full";
  EXPECT_FALSE(router.deadline());
  router.enqueue(5, kStart + 3ms);
  EXPECT_EQ(router.next(kStart + 3ms)->requests.size(), 4u) << "a full one waits at the replica";
  for (RequestId id = 6; id <= 9; ++id) router.enqueue(id, kStart + 3ms);
  EXPECT_FALSE(router.next(kStart + 3ms)) << "but no third";
}

TEST(Router, ADrainingReplicaGetsNothing) {
  Router router({});
  router.add(0);
  router.add(1);
  router.drain(0);
  for (RequestId id = 0; id < 20; ++id) {
    router.enqueue(id, kStart);
    EXPECT_EQ(router.next(kStart)->replica, 1u);
  }
  EXPECT_TRUE(router.idle(0));
  EXPECT_FALSE(router.idle(1));
  router.remove(0);
  router.remove(1);
  router.enqueue(1, kStart);
  EXPECT_FALSE(router.next(kStart));
  router.finished(1, 1);  // of one that is gone
}

// Any history: in order, within limits, nothing lost or doubled, and nothing waits while it could leave.
TEST(Router, RandomHistories) {
  for (std::uint32_t seed = 1; seed <= 200; ++seed) {
    std::mt19937 random(seed);
    const auto pick = [&](std::uint32_t n) { return random() % n; };
    Router::Options options{.max_batch = pick(2) * (1 + pick(8)), .max_ongoing = 1 + pick(20), .max_queued = 1 + pick(50),
                            .batch_wait = std::chrono::microseconds(pick(3) * 100)};
    options.max_ongoing = std::max(options.max_ongoing, std::size_t{2} * options.max_batch);
    Router router(options, seed);
    std::map<ReplicaId, std::size_t> ongoing;
    std::set<ReplicaId> draining;
    std::vector<std::pair<ReplicaId, std::size_t>> sent;
    Router::Time now = kStart;
    RequestId next_id = 1, next_out = 1;
    ReplicaId next_replica = 0;
    for (int step = 0; step < 400; ++step) {
      now += std::chrono::microseconds(pick(100));
      switch (pick(6)) {
        case 0:
          if (ongoing.size() < 4) router.add(next_replica), ongoing[next_replica++] = 0;
          break;
        case 1:
          if (!ongoing.empty() && pick(4) == 0) {
            const ReplicaId id = std::next(ongoing.begin(), pick(static_cast<std::uint32_t>(ongoing.size())))->first;
            if (!draining.contains(id)) {
              router.drain(id);
              draining.insert(id);
            } else if (router.idle(id)) {
              ASSERT_EQ(ongoing[id], 0u);
              router.remove(id);
              ongoing.erase(id);
              draining.erase(id);
            }
          }
          break;
        case 2:
          if (!sent.empty()) {
            const std::size_t i = pick(static_cast<std::uint32_t>(sent.size()));
            router.finished(sent[i].first, sent[i].second);
            ongoing[sent[i].first] -= sent[i].second;
            sent.erase(sent.begin() + static_cast<std::ptrdiff_t>(i));
          }
          break;
        default:
          if (router.enqueue(next_id, now)) {
            ++next_id;
          } else {
            ASSERT_EQ(router.queued(), options.max_queued);
          }
      }
      while (const auto dispatch = router.next(now)) {
        ASSERT_FALSE(dispatch->requests.empty());
        ASSERT_FALSE(draining.contains(dispatch->replica));
        for (const RequestId id : dispatch->requests) ASSERT_EQ(id, next_out++);  // ROUTE-1
        ongoing[dispatch->replica] += dispatch->requests.size();
        ASSERT_LE(ongoing[dispatch->replica], options.max_ongoing);
        if (options.max_batch != 0) {
          ASSERT_LE(dispatch->requests.size(), options.max_batch);
        }
        sent.emplace_back(dispatch->replica, dispatch->requests.size());
      }
      if (router.queued() > 0) {
        for (const auto& [id, count] : ongoing) {
          if (!draining.contains(id) && count == 0) {
            ASSERT_TRUE(options.max_batch != 0 && router.deadline() && *router.deadline() > now) << "seed " << seed << ": waits for nothing";
          }
        }
      }
    }
    ASSERT_EQ(next_out + router.queued(), next_id);
  }
}

}  // namespace
}  // namespace manta::serve
