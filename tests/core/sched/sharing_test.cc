// NodeScheduler: the order of grants, and which clients are asked to give leases back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/sched/recorded_scheduler.h"

namespace manta::sched {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Sharing, SCHED6_FewestLeasesFirstThenArrival) {
  RecordedScheduler node({.total = cpus(4)});
  for (std::uint64_t driver = 1; driver <= 4; ++driver) node.join(driver);
  node.want(1, 4, cpus(1));
  node.want(3, 2, cpus(1));
  node.want(2, 2, cpus(1));
  node.want(4, 1, cpus(1));
  node.log();
  node.want(1, 0, cpus(1));
  for (std::uint64_t lease = 1; lease <= 4; ++lease) node.give_back(1, lease);
  std::vector<std::string> grants;
  for (const std::string& line : node.log()) {
    if (line.starts_with("grant")) grants.push_back(line.substr(0, 7));
  }
  EXPECT_THAT(grants, ElementsAre("grant 3", "grant 2", "grant 4", "grant 3"));
}

TEST(Sharing, AClientStarvesIfItWaitsWithoutAnyLease) {
  RecordedScheduler node({.total = cpus(2)});
  for (std::uint64_t driver = 1; driver <= 2; ++driver) node.join(driver);
  EXPECT_FALSE(node.scheduler().starving());
  node.want(1, 4, cpus(1));
  EXPECT_FALSE(node.scheduler().starving()) << "it waits for more, but has two";
  node.want(2, 1, cpus(1));
  EXPECT_TRUE(node.scheduler().starving());
  node.give_back(1, node.leases_of(1).front());
  EXPECT_FALSE(node.scheduler().starving());
}

TEST(Sharing, SCHED6_SmallRequestsPassABigOneButNotForEver) {
  RecordedScheduler node({.total = cpus(4), .turn = 1'000'000 * kMs});  // by order alone: no lease is asked back
  for (std::uint64_t driver = 1; driver <= 3; ++driver) node.join(driver);
  node.want(1, 3, cpus(1));
  node.want(2, 1, cpus(4));  // does not fit, and is asked for first
  node.want(3, 1, cpus(1));
  EXPECT_EQ(node.leases_of(3).size(), 1U) << "passes";
  int passed = 0;
  for (; node.leases_of(2).empty() && passed < 100; ++passed) {
    node.give_back(1, node.leases_of(1).empty() ? 0 : node.leases_of(1).front());
    node.pass(1 * kMs);
    if (node.leases_of(2).empty() && !node.leases_of(3).empty()) {
      node.give_back(3, node.leases_of(3).front());
      node.pass(1 * kMs);
    }
  }
  EXPECT_THAT(node.leases_of(2), testing::SizeIs(1));
  EXPECT_LT(passed, 30);
}

TEST(Sharing, SCHED6_WhatIsHeldForABigRequestIsGivenAwayAgainAfterAWhile) {
  // Client 3 keeps its lease, so client 2's request does not fit. Client 1 returns its lease every 10 ms.
  RecordedScheduler node({.total = cpus(2), .turn = 1'000'000 * kMs});
  for (std::uint64_t driver = 1; driver <= 3; ++driver) node.join(driver);
  node.want(3, 1, cpus(1));
  node.want(1, 1, cpus(1));
  node.want(2, 1, cpus(2));
  Time idle{0}, used{0};
  for (int i = 0; i < 2000; ++i) {
    (node.leases_of(1).empty() ? idle : used) += 10 * kMs;
    node.pass(10 * kMs);
    if (!node.leases_of(1).empty()) node.give_back(1, node.leases_of(1).front());
  }
  EXPECT_THAT(node.leases_of(2), IsEmpty());
  EXPECT_GT(used, idle) << "at most half of the time is lost";
  EXPECT_GT(idle, 1000 * kMs) << "it was held for some time";
  // Once the long task ends, the big one gets in.
  node.want(3, 0, cpus(1));
  node.give_back(3, node.leases_of(3).front());
  for (int i = 0; i < 10'000 && node.leases_of(2).empty(); ++i) {
    node.pass(10 * kMs);
    if (!node.leases_of(1).empty()) node.give_back(1, node.leases_of(1).front());
  }
  EXPECT_THAT(node.leases_of(2), testing::SizeIs(1));
}

TEST(Sharing, SCHED6_HoldingCpusDoesNotHoldOtherThings) {
  ResourceSet total = cpus(4);
  total.memory_bytes = 100;
  RecordedScheduler node({.total = total, .turn = 1'000'000 * kMs});
  for (std::uint64_t driver = 1; driver <= 3; ++driver) node.join(driver);
  node.want(1, 4, cpus(1));
  node.want(2, 1, cpus(4));
  for (int i = 0; i < 40; ++i) {  // client 1 passes until its CPUs are held back
    if (!node.leases_of(1).empty()) node.give_back(1, node.leases_of(1).front());
  }
  node.want(3, 1, memory(10));
  EXPECT_THAT(node.leases_of(3), testing::SizeIs(1));
}

TEST(Sharing, SurplusIsAskedBackFirstAndOnce) {
  RecordedScheduler node({.total = cpus(4)});
  for (std::uint64_t driver = 1; driver <= 3; ++driver) node.join(driver);
  node.want(1, 2, cpus(1));
  node.want(2, 2, cpus(1));
  node.want(1, 0, cpus(1));
  node.log();
  node.pass(40 * kMs);
  EXPECT_THAT(node.log(), IsEmpty()) << "no demand waits: it may keep them for its next tasks";
  node.want(3, 5, cpus(1));
  EXPECT_THAT(node.log(), ElementsAre("ask 1: 2"));
  node.want(3, 6, cpus(1));
  EXPECT_THAT(node.log(), IsEmpty());
  node.give_back(1, 1);
  node.give_back(1, 2);
  EXPECT_THAT(node.leases_of(3), testing::SizeIs(2));
}

TEST(Sharing, SCHED6_AClientAboveItsFairShareIsAskedForTheRest) {
  RecordedScheduler node({.total = cpus(8)});
  for (std::uint64_t driver = 1; driver <= 3; ++driver) node.join(driver);
  node.want(1, 100, cpus(1));
  node.log();
  node.want(2, 100, cpus(1));
  EXPECT_THAT(node.log(), ElementsAre("ask 1: 4"));
  for (std::uint64_t lease = 1; lease <= 4; ++lease) node.give_back(1, lease);
  EXPECT_THAT(node.leases_of(1), testing::SizeIs(4));
  EXPECT_THAT(node.leases_of(2), testing::SizeIs(4));
  node.log();
  node.want(3, 100, cpus(1));
  EXPECT_THAT(node.log(), ElementsAre("ask 1: 1", "ask 2: 1")) << "a share is 8/3";
  node.pass(40 * kMs);
  EXPECT_THAT(node.log(), IsEmpty());
}

TEST(Sharing, SharesAreNotPassedBackAndForth) {
  RecordedScheduler node({.total = cpus(3)});
  node.join(1);
  node.join(2);
  node.want(1, 9, cpus(1));
  node.want(2, 9, cpus(1));
  EXPECT_THAT(node.log(), testing::Contains("ask 1: 1"));
  node.give_back(1, 1);
  node.log();
  node.pass(10'000 * kMs);
  EXPECT_THAT(node.log(), IsEmpty()) << "two and one of three: as fair as it gets";
}

TEST(Sharing, SmallerLeasesAreAskedBackForABigRequest) {
  RecordedScheduler node({.total = cpus(8)});
  node.join(1);
  node.join(2);
  node.want(1, 8, cpus(1));
  node.log();
  node.want(2, 1, cpus(4));
  EXPECT_THAT(node.log(), ElementsAre("ask 1: 4"));
}

TEST(Sharing, OnlyLeasesThatWouldHelpAreAskedBack) {
  ResourceSet total = cpus(4);
  total.gpus = gpus(1).gpus;
  total.named = {{"license", Amount::from_units(20'000)}};
  RecordedScheduler node({.total = total});
  for (std::uint64_t driver = 1; driver <= 3; ++driver) node.join(driver);
  ResourceSet licensed{.named = {{"license", Amount::from_units(10'000)}}};
  node.want(1, 3, cpus(1));
  node.want(2, 2, licensed);
  node.log();
  node.want(3, 1, licensed);
  EXPECT_THAT(node.log(), ElementsAre("ask 2: 1"));
}

TEST(Sharing, SCHED6_WithoutALeaseOneTakesTurns) {
  RecordedScheduler node({.total = cpus(1), .turn = 50 * kMs});
  node.join(1);
  node.join(2);
  node.want(1, 9, cpus(1));
  node.log();
  node.want(2, 9, cpus(1));
  node.pass(49 * kMs);
  EXPECT_THAT(node.log(), IsEmpty()) << "one of one is a fair share";
  int turns = 0;
  for (int i = 0; i < 200; ++i) {
    node.pass(5 * kMs);
    for (const std::string& line : node.log()) {
      if (line == "ask 1: 1" || line == "ask 2: 1") {
        ++turns;
        const std::uint64_t who = line[4] - '0';
        ASSERT_THAT(node.leases_of(who), testing::SizeIs(1));
        node.give_back(who, node.leases_of(who).front());
        ASSERT_THAT(node.leases_of(3 - who), testing::SizeIs(1));
      }
    }
  }
  EXPECT_GE(turns, 9);
  EXPECT_LE(turns, 21);
}

TEST(Sharing, SCHED6_TurnsGoOnPastALeaseThatIsNotReturned) {
  RecordedScheduler node({.total = cpus(2), .turn = 50 * kMs});
  for (std::uint64_t driver = 1; driver <= 3; ++driver) node.join(driver);
  node.want(1, 1, cpus(1));
  node.want(2, 1, cpus(1));
  node.log();
  node.want(3, 1, cpus(1));
  node.pass(60 * kMs);
  EXPECT_THAT(node.log(), ElementsAre("ask 1: 1"));
  node.pass(1000 * kMs);
  EXPECT_THAT(node.log(), ElementsAre("ask 2: 1")) << "each once";
}

TEST(Sharing, OtherShapesOfTheSameClientGetTheirTurnToo) {
  RecordedScheduler node({.total = cpus(2), .turn = 50 * kMs});
  node.join(1);
  node.want(1, 9, cpus(1));
  node.want(1, 9, cpus(0.5), 1);
  node.log();
  node.pass(60 * kMs);
  EXPECT_THAT(node.log(), ElementsAre("ask 1: 1"));
  node.give_back(1, 1);
  EXPECT_THAT(node.log(), testing::Contains("grant 1/1: lease 3 on 100"));
}

TEST(Sharing, BlockedLeasesAreNotAskedBack) {
  RecordedScheduler node({.total = memory(2), .turn = 50 * kMs});
  node.join(1);
  node.join(2);
  node.want(1, 2, memory(1));
  node.blocked(100);
  node.blocked(101);
  node.log();
  node.want(2, 1, memory(1));
  node.pass(1000 * kMs);
  EXPECT_THAT(node.log(), IsEmpty()) << "they cannot be returned";
  node.unblocked(100);
  node.pass(100 * kMs);
  EXPECT_THAT(node.log(), ElementsAre("ask 1: 1"));
}

TEST(Sharing, ADeadWorkerCountsAsReturned) {
  RecordedScheduler node({.total = cpus(4)});
  node.join(1);
  node.join(2);
  node.want(1, 4, cpus(1));
  node.want(2, 4, cpus(1));
  EXPECT_THAT(node.log(), testing::Contains("ask 1: 2"));
  node.left(100);
  EXPECT_THAT(node.log(), testing::Contains("ended 1: lease 1, killed by signal 9 (SIGKILL)"));
  node.give_back(1, 2);
  EXPECT_THAT(node.leases_of(1), testing::SizeIs(2));
  EXPECT_THAT(node.leases_of(2), testing::SizeIs(2));
  node.pass(1000 * kMs);
  EXPECT_THAT(node.log(), testing::Not(testing::Contains(testing::StartsWith("ask"))));
}

}  // namespace
}  // namespace manta::sched
