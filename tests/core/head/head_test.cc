#include "core/head/head.h"

#include <algorithm>
#include <random>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace manta::head {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Time kMs = std::chrono::milliseconds(1);

sched::Amount amount(double value) { return sched::Amount::from_double(value, "amount").value(); }

// Effects are written down: "1: client 5 died, STATUS", "1: node 2 died, STATUS", "1: job 5 ends".
class RecordedHead final : HeadEffects {
 public:
  RecordedHead() : head({}, *this) {}

  std::vector<std::string> log() { return std::exchange(log_, {}); }
  Result<void> node(std::uint64_t id, Time now = Time{0}, const sched::ResourceSet& total = {}) {
    return head.node_joined(NodeId{id}, total, "host" + std::to_string(id), now);
  }
  Result<void> worker(std::uint64_t id, std::uint64_t node) {
    return head.client_joined(ClientId{id}, NodeId{node}, ClientKind::worker, Time{0});
  }
  Result<void> driver(std::uint64_t id, std::uint64_t node) {
    return head.client_joined(ClientId{id}, NodeId{node}, ClientKind::driver, Time{0});
  }

  Head head;

 private:
  void announce_client_death(NodeId to, ClientId client, const std::string& status) override {
    log_.push_back(std::to_string(to.value) + ": client " + std::to_string(client.value) + " died, " + status);
  }
  void announce_node_death(NodeId to, NodeId dead, const std::string& status) override {
    log_.push_back(std::to_string(to.value) + ": node " + std::to_string(dead.value) + " died, " + status);
  }
  void end_job(NodeId to, ClientId driver) override {
    log_.push_back(std::to_string(to.value) + ": job " + std::to_string(driver.value) + " ends");
  }

  std::vector<std::string> log_;
};

TEST(Head, KnowsEachNodesProcesses) {
  RecordedHead it;
  ASSERT_TRUE(it.node(1));
  ASSERT_TRUE(it.worker(5, 1));
  EXPECT_TRUE(it.head.alive(ClientId{5}));
  EXPECT_EQ(it.head.node_of(ClientId{5}), NodeId{1});
  EXPECT_FALSE(it.head.alive(ClientId{6}));
  EXPECT_EQ(it.head.node_of(ClientId{6}), NodeId());
  const auto nowhere = it.worker(7, 3);
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().code(), ErrorCode::unavailable);
  EXPECT_THAT(it.log(), IsEmpty());
}

TEST(Head, HEAD1_IdsAreUsedOnce) {
  RecordedHead it;
  ASSERT_TRUE(it.node(1));
  ASSERT_TRUE(it.node(2));
  ASSERT_TRUE(it.worker(5, 1));
  EXPECT_EQ(it.worker(5, 2).error().code(), ErrorCode::invalid_argument) << "alive";
  it.head.client_left(ClientId{5}, "gone", Time{0});
  EXPECT_EQ(it.worker(5, 1).error().code(), ErrorCode::invalid_argument) << "dead";
  it.head.node_left(NodeId{2}, "gone", Time{0});
  EXPECT_EQ(it.node(1).error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(it.node(2).error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(it.node(0).error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(it.worker(0, 1).error().code(), ErrorCode::invalid_argument);
  EXPECT_THAT(it.node(2).error().message(), HasSubstr("its id was used before"));
  EXPECT_FALSE(it.head.alive(ClientId{5}));
  EXPECT_EQ(it.head.check_invariants(), "");
}

TEST(Head, HEAD1_UsedIdsTakeLittleSpace) {
  IdSet used;
  for (std::uint64_t id = 1; id <= 1000; id += 2) used.insert(id);
  EXPECT_EQ(used.runs(), 500U);
  for (std::uint64_t id = 1000; id > 0; id -= 2) used.insert(id);
  EXPECT_EQ(used.runs(), 1U);
  used.insert(500);
  EXPECT_TRUE(used.contains(1) && used.contains(500) && used.contains(1000));
  EXPECT_FALSE(used.contains(0) || used.contains(1001));
  used.insert(~std::uint64_t{0});
  EXPECT_TRUE(used.contains(~std::uint64_t{0}));
  EXPECT_EQ(used.runs(), 2U);
}

TEST(Head, HEAD2_ADeathIsAnnouncedOnceToEveryLiveNode) {
  RecordedHead it;
  for (std::uint64_t node = 1; node <= 3; ++node) ASSERT_TRUE(it.node(node));
  ASSERT_TRUE(it.worker(5, 2));
  it.head.node_left(NodeId{3}, "stopped", Time{0});
  it.log();
  it.head.client_left(ClientId{5}, "exited with status 1", Time{0});
  EXPECT_THAT(it.log(),
              ElementsAre("1: client 5 died, exited with status 1", "2: client 5 died, exited with status 1"));
  it.head.client_left(ClientId{5}, "again", Time{0});
  it.head.client_left(ClientId{99}, "never lived", Time{0});
  it.head.node_left(NodeId{2}, "stopped", Time{0});
  EXPECT_THAT(it.log(), ElementsAre("1: node 2 died, stopped")) << "its client was dead already";
}

TEST(Head, HEAD3_ANodeWithoutHeartbeatIsDeadAndItsClientsBeforeIt) {
  RecordedHead it;
  for (std::uint64_t node = 1; node <= 4; ++node) ASSERT_TRUE(it.node(node));
  ASSERT_TRUE(it.worker(5, 2));
  ASSERT_TRUE(it.worker(6, 3));
  EXPECT_EQ(it.head.tick(Time{0}), 1000 * kMs);
  it.head.heartbeat(NodeId{1}, 600 * kMs);
  it.head.heartbeat(NodeId{4}, 700 * kMs);
  it.head.heartbeat(NodeId{4}, 650 * kMs);  // overtaken
  EXPECT_EQ(it.head.tick(999 * kMs), 1000 * kMs);
  EXPECT_THAT(it.log(), IsEmpty());
  EXPECT_EQ(it.head.tick(1000 * kMs), 1600 * kMs);
  EXPECT_THAT(it.log(), ElementsAre("1: client 5 died, ended with its node 2: no heartbeat for 1 s",
                                    "4: client 5 died, ended with its node 2: no heartbeat for 1 s",
                                    "1: node 2 died, no heartbeat for 1 s", "4: node 2 died, no heartbeat for 1 s",
                                    "1: client 6 died, ended with its node 3: no heartbeat for 1 s",
                                    "4: client 6 died, ended with its node 3: no heartbeat for 1 s",
                                    "1: node 3 died, no heartbeat for 1 s", "4: node 3 died, no heartbeat for 1 s"));
  it.head.heartbeat(NodeId{2}, 1100 * kMs);
  EXPECT_EQ(it.node(2, 1100 * kMs).error().code(), ErrorCode::invalid_argument) << "it must come back as another one";
  EXPECT_EQ(it.worker(7, 2).error().code(), ErrorCode::unavailable);
}

TEST(Head, HEAD4_AJobEndsOnceWithItsDriverOrTheDriversNode) {
  RecordedHead it;
  for (std::uint64_t node = 1; node <= 2; ++node) ASSERT_TRUE(it.node(node));
  ASSERT_TRUE(it.driver(5, 1));
  ASSERT_TRUE(it.driver(6, 2));
  it.head.client_left(ClientId{5}, "done", Time{0});
  EXPECT_THAT(it.log(),
              ElementsAre("1: client 5 died, done", "2: client 5 died, done", "1: job 5 ends", "2: job 5 ends"));
  it.head.node_left(NodeId{2}, "lost", Time{0});
  EXPECT_THAT(it.log(),
              ElementsAre("1: client 6 died, ended with its node 2: lost", "1: job 6 ends", "1: node 2 died, lost"));
  it.head.client_left(ClientId{5}, "done", Time{0});
  it.head.client_left(ClientId{6}, "done", Time{0});
  EXPECT_THAT(it.log(), IsEmpty());
}

TEST(Head, SaysWhichNodeComesNearest) {
  RecordedHead it;
  const sched::ResourceSet request{.cpus = amount(8), .gpus = amount(1)};
  EXPECT_EQ(it.head.why_infeasible(request),
            "no live node can ever run a task that needs CPU: 8, GPU: 1: there is no live node; start one");
  ASSERT_TRUE(it.node(1, Time{0}, {.cpus = amount(64)}));
  ASSERT_TRUE(it.node(2, Time{0}, {.cpus = amount(4), .gpus = amount(2)}));
  ASSERT_TRUE(it.node(3, Time{0}, {.cpus = amount(2), .gpus = amount(2)}));
  EXPECT_EQ(it.head.why_infeasible(request),
            "no live node can ever run a task that needs CPU: 8, GPU: 1: of 3, host2 (node 2) comes nearest, and the "
            "task needs CPU: 8, the node has CPU: 4; ask for less, or add a node that has it");
  ASSERT_TRUE(it.node(4, Time{0}, request));
  EXPECT_EQ(it.head.why_infeasible(request), "");
  it.head.node_left(NodeId{4}, "stopped", Time{0});
  EXPECT_NE(it.head.why_infeasible(request), "");
}

// What each node hears, against the promises.
class Announcements final : HeadEffects {
 public:
  explicit Announcements(std::uint64_t seed) : head_({}, *this), random_(seed) {}

  void run(int steps) {
    for (int i = 0; i < steps && !HasFailure(); ++i) {
      step();
      ASSERT_EQ(head_.check_invariants(), "");
    }
  }

 private:
  static bool HasFailure() { return ::testing::Test::HasFailure(); }
  std::uint64_t random(std::uint64_t below) { return random_() % below; }

  void step() {
    now_ += kMs * static_cast<int>(random(120));
    const NodeId node{random(last_node_ + 2)};
    const ClientId client{random(last_client_ + 2)};
    switch (random(8)) {
      case 0:
        if (head_.node_joined(node, {}, "host", now_)) {
          EXPECT_TRUE(used_nodes_.insert(node).second) << "HEAD-1";
          nodes_[node];
          heard_[node] = now_;
          last_node_ = std::max(last_node_, node.value);
        }
        break;
      case 1:
        if (random(4) == 0) die(node, [&] { head_.node_left(node, "left", now_); });
        break;
      case 2:
      case 3:
        join(client, node);
        break;
      case 4:
        die(client);
        break;
      case 5:
        head_.heartbeat(node, now_);
        if (nodes_.contains(node)) heard_[node] = now_;
        break;
      default:
        for (auto& [id, known] : nodes_) {
          if (random(30) != 0) {
            head_.heartbeat(id, now_);
            heard_[id] = now_;
          }
        }
        for (auto& [id, last] : heard_) {
          if (now_ - last >= 1000 * kMs) nodes_.erase(id);
        }
        head_.tick(now_);
        std::erase_if(heard_, [&](const auto& entry) { return !nodes_.contains(entry.first); });
        std::erase_if(clients_, [&](const auto& entry) { return !nodes_.contains(entry.second.first); });
        break;
    }
  }

  void join(ClientId client, NodeId node) {
    const auto kind = random(3) == 0 ? ClientKind::driver : ClientKind::worker;
    if (!head_.client_joined(client, node, kind, now_)) return;
    EXPECT_TRUE(used_clients_.insert(client).second) << "HEAD-1";
    EXPECT_TRUE(nodes_.contains(node));
    clients_[client] = {node, kind};
    last_client_ = std::max(last_client_, client.value);
  }

  void die(ClientId client) {
    const bool lived = clients_.contains(client);
    const std::size_t before = announced_;
    head_.client_left(client, "left", now_);
    EXPECT_EQ(announced_ - before, lived ? nodes_.size() : 0) << "HEAD-2";
    clients_.erase(client);
  }

  template <class Event>
  void die(NodeId node, Event event) {
    nodes_.erase(node);
    heard_.erase(node);
    event();
    std::erase_if(clients_, [&](const auto& entry) { return entry.second.first == node; });
  }

  void announce_client_death(NodeId to, ClientId client, const std::string&) override {
    ++announced_;
    EXPECT_TRUE(used_clients_.contains(client));
    EXPECT_FALSE(head_.alive(client));
    EXPECT_TRUE(nodes_.at(to).insert("client " + std::to_string(client.value)).second) << "HEAD-2";
  }
  void announce_node_death(NodeId to, NodeId dead, const std::string&) override {
    EXPECT_FALSE(nodes_.contains(dead)) << "HEAD-3: too early";
    EXPECT_TRUE(nodes_.at(to).insert("node " + std::to_string(dead.value)).second) << "HEAD-2";
    for (const auto& [client, where] : clients_) {
      if (where.first == dead) {
        EXPECT_TRUE(nodes_.at(to).contains("client " + std::to_string(client.value))) << "HEAD-3";
      }
    }
  }
  void end_job(NodeId to, ClientId driver) override {
    EXPECT_EQ(clients_.at(driver).second, ClientKind::driver);
    EXPECT_TRUE(nodes_.at(to).insert("job " + std::to_string(driver.value)).second) << "HEAD-4";
  }

  Head head_;
  std::mt19937_64 random_;
  Time now_{0};
  std::uint64_t last_node_ = 0;
  std::uint64_t last_client_ = 0;
  std::size_t announced_ = 0;
  std::set<NodeId> used_nodes_;
  std::set<ClientId> used_clients_;
  std::map<NodeId, std::set<std::string>> nodes_;  // alive, and what was announced to them
  std::map<NodeId, Time> heard_;                   // their last heartbeat
  std::map<ClientId, std::pair<NodeId, ClientKind>> clients_;
};

TEST(Head, PromisesHoldInRandomHistories) {
  for (std::uint64_t seed = 1; seed <= 100 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Announcements(seed).run(500);
  }
}

}  // namespace
}  // namespace manta::head
