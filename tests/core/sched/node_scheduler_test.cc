// NodeScheduler: grants, returns, deaths, blocking. (sharing_test: the order of grants; workers_test: processes.)
#include "core/sched/node_scheduler.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/sched/recorded_scheduler.h"

namespace manta::sched {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(NodeScheduler, GrantsWhileResourcesLast) {
  RecordedScheduler node({.total = cpus(2)});
  node.join(1);
  node.want(1, 3, cpus(1));
  EXPECT_THAT(node.log(), ElementsAre("start 100", "start 101", "grant 1: lease 1 on 100", "grant 1: lease 2 on 101"));
  EXPECT_EQ(node.why_waiting(1), "asks for CPU: 1, of CPU: 2 here 0 is free");
  node.give_back(1, 1);
  EXPECT_THAT(node.log(), ElementsAre("grant 1: lease 3 on 100")) << "the level is still 3";
  node.want(1, 0, cpus(1));
  node.give_back(1, 2);
  node.give_back(1, 3);
  EXPECT_THAT(node.log(), IsEmpty());
  EXPECT_EQ(node.scheduler().ledger().available(), cpus(2));
  EXPECT_EQ(node.why_waiting(1), "");
}

TEST(NodeScheduler, GrantsWhenTheWorkerHasStarted) {
  RecordedScheduler node({.total = cpus(2)}, false);
  node.join(1);
  node.want(1, 1, cpus(1));
  EXPECT_THAT(node.log(), ElementsAre("start 100"));
  EXPECT_EQ(node.why_waiting(1), "a worker process is being started");
  EXPECT_EQ(node.scheduler().ledger().available(), cpus(1)) << "what a starting worker will use is booked";
  node.worker_started(100);
  EXPECT_THAT(node.log(), ElementsAre("grant 1: lease 1 on 100"));
}

TEST(NodeScheduler, AReturnedWorkerServesADemandThatWaitsForAStart) {
  RecordedScheduler node({.total = cpus(2)}, false);
  node.join(1);
  node.join(2);
  node.want(1, 1, cpus(1));
  node.worker_started(100);
  node.want(2, 1, cpus(1));
  node.want(1, 0, cpus(1));
  node.log();
  node.give_back(1, 1);
  EXPECT_THAT(node.log(), ElementsAre("grant 2: lease 2 on 100"));
  node.worker_started(101);
  EXPECT_THAT(node.log(), IsEmpty()) << "the one started for it idles";
  node.want(1, 1, cpus(1));
  EXPECT_THAT(node.log(), ElementsAre("grant 1: lease 3 on 101"));
}

TEST(NodeScheduler, UnknownAndLateMessagesAreIgnored) {
  RecordedScheduler node({.total = cpus(1)});
  node.want(7, 1, cpus(1));
  node.join(1);
  node.join(2);
  node.want(1, 1, cpus(1));
  node.log();
  node.give_back(2, 1);  // not its own
  node.give_back(1, 9);
  node.unblocked(100);
  node.blocked(55);
  node.ring_closed(100, 1);
  node.ring_closed(100, 2);
  node.worker_started(100);
  node.worker_started(200);
  node.worker_failed(300, "never existed");
  node.left(300);
  node.want(2, 0, cpus(1));
  EXPECT_THAT(node.log(), IsEmpty());
  EXPECT_EQ(node.scheduler().ledger().available(), cpus(0));
  node.want(1, 0, cpus(1));
  node.give_back(1, 1);
  node.give_back(1, 1);
  EXPECT_EQ(node.scheduler().ledger().available(), cpus(1));
  node.left(1);
  node.left(1);
  EXPECT_THAT(node.log(), IsEmpty());
}

TEST(NodeScheduler, SCHED1_BlockedWorkersReleaseTheirCpus) {
  RecordedScheduler node({.total = cpus(1)});
  node.join(1);
  node.want(1, 1, cpus(1));
  node.log();
  node.want(100, 1, cpus(1));  // the task submits one itself
  EXPECT_THAT(node.log(), IsEmpty());
  node.blocked(100);
  node.blocked(100);
  EXPECT_THAT(node.log(), ElementsAre("start 101", "grant 100: lease 2 on 101"))
      << "first those with no lease: the driver wants another too, as its task is blocked";
  node.unblocked(100);
  node.unblocked(100);
  EXPECT_EQ(node.scheduler().ledger().available().cpus.to_double(), -1);
  node.want(100, 0, cpus(1));
  node.give_back(100, 2);
  EXPECT_EQ(node.scheduler().ledger().available(), cpus(0));
  EXPECT_THAT(node.log(), IsEmpty()) << "the driver has what it wants";
}

TEST(NodeScheduler, SCHED1_ReleasedCpusAreAskedBackAfterATurn) {
  RecordedScheduler node({.total = cpus(2)});
  node.join(1);
  node.want(1, 200, cpus(1));
  node.log();
  node.blocked(100);
  EXPECT_THAT(node.log(), ElementsAre("start 102", "grant 1: lease 3 on 102"));
  node.pass(49 * kMs);
  node.unblocked(100);
  node.pass(49 * kMs);
  EXPECT_THAT(node.log(), IsEmpty()) << "a short task gives its lease back by itself";
  node.pass(2 * kMs);
  EXPECT_THAT(node.log(), ElementsAre("ask 1: 1"));
  node.pass(1000 * kMs);
  EXPECT_THAT(node.log(), IsEmpty()) << "the one that was asked for is enough";
  node.give_back(1, 3);
  node.pass(1000 * kMs);
  EXPECT_EQ(node.scheduler().ledger().available(), cpus(0));
  EXPECT_THAT(node.log(), IsEmpty());
}

TEST(NodeScheduler, SCHED1_AnActorThatWaitsGetsNoSecondWorker) {
  RecordedScheduler node({.total = cpus(1)});
  node.join(1);
  ResourceSet actor = cpus(1);
  actor.own_worker = true;
  node.want(1, 1, actor);
  EXPECT_THAT(node.log(), ElementsAre("start 100", "grant 1: lease 1 on 100"));
  for (int i = 0; i < 3; ++i) {
    node.blocked(100);
    EXPECT_EQ(node.scheduler().ledger().available(), cpus(1)) << "its CPU is released";
    node.unblocked(100);
  }
  EXPECT_THAT(node.log(), IsEmpty());
  node.blocked(100);
  node.left(100);
  EXPECT_THAT(node.log(), ElementsAre("ended 1: lease 1, killed by signal 9 (SIGKILL)"));
}

TEST(NodeScheduler, SCHED9_AnActorsDemandEndsWithItsLease) {
  for (const bool returned : {false, true}) {
    RecordedScheduler node({.total = cpus(1)});
    node.join(1);
    ResourceSet actor = cpus(1);
    actor.own_worker = true;
    node.want(1, 1, actor);
    node.log();
    returned ? node.give_back(1, 1) : node.left(100);
    node.pass(1000 * kMs);
    const std::vector<std::string> log = node.log();
    EXPECT_TRUE(std::none_of(log.begin(), log.end(), [](const auto& line) { return line.starts_with("start"); }))
        << "no worker is started for an actor that is no more, before it is drop_replica";
    EXPECT_FALSE(node.scheduler().submits(ClientId{1}));
    node.want(1, 1, actor);
    EXPECT_THAT(node.log(), ElementsAre("start 101", "grant 1: lease 2 on 101")) << "once it is stated again";
  }
}

TEST(NodeScheduler, SCHED1_CpusOfABlockedWorkerComeBackOnceWhenItDies) {
  RecordedScheduler node({.total = cpus(2)});
  node.join(1);
  node.want(1, 1, cpus(1));
  node.blocked(100);
  node.left(100, "exited with status 1");
  node.want(1, 0, cpus(1));
  for (std::uint64_t lease : node.leases_of(1)) node.give_back(1, lease);
  EXPECT_EQ(node.scheduler().ledger().available(), cpus(2));
}

TEST(NodeScheduler, SCHED1_LeaseOfABlockedWorkerMayBeReturned) {
  RecordedScheduler node({.total = cpus(1)});
  node.join(1);
  node.join(2);
  node.want(1, 1, cpus(1));
  node.blocked(100);
  node.want(1, 0, cpus(1));
  node.log();
  node.give_back(1, 1);
  for (std::uint64_t lease : node.leases_of(1)) node.give_back(1, lease);
  EXPECT_EQ(node.scheduler().ledger().available(), cpus(1));
  node.want(2, 1, cpus(1));
  const auto granted = node.leases_of(2);
  node.unblocked(100);  // late: its lease is another one by now
  EXPECT_EQ(node.leases_of(2), granted);
  EXPECT_EQ(node.scheduler().ledger().available(), cpus(0));
}

TEST(NodeScheduler, SCHED2_AWorkerIsLeasedToOneAtATime) {
  RecordedScheduler node({.total = cpus(4)});
  node.join(1);
  node.join(2);
  node.want(1, 2, cpus(1));
  node.want(2, 2, cpus(1));
  EXPECT_THAT(node.log(), ElementsAre("start 100", "start 101", "grant 1: lease 1 on 100", "grant 1: lease 2 on 101",
                                      "start 102", "start 103", "grant 2: lease 3 on 102", "grant 2: lease 4 on 103"));
}

TEST(NodeScheduler, SCHED4_InfeasibleIsAnsweredAtOnce) {
  RecordedScheduler node({.total = cpus(2)});
  node.join(1);
  node.want(1, 1, cpus(8));
  EXPECT_THAT(node.log(), ElementsAre("infeasible 1"));
  EXPECT_EQ(node.last_infeasible(),
            "no worker of this node can ever be given CPU: 8: needs CPU: 8, the node has CPU: 2; ask for less, or add "
            "a node that has it");
  EXPECT_EQ(node.why_waiting(1), "");
  node.want(1, 0, cpus(8));
  node.want(1, 1, gpus(1));
  EXPECT_THAT(node.log(), ElementsAre("infeasible 1"));
  node.want(1, 2, cpus(1));  // the number is free for another shape
  node.log();
  node.want(1, 2, cpus(2));  // now it is not
  EXPECT_THAT(node.log(), ElementsAre("infeasible 1"));
  EXPECT_EQ(node.last_infeasible(),
            "shape 0 stands for CPU: 1 and cannot ask for CPU: 2 as well; give each shape a number of its own");
}

TEST(NodeScheduler, SCHED5_ADeadSubmitterReturnsWhatItHeldOnceChannelsAreClosed) {
  RecordedScheduler node({.total = cpus(2)});
  node.join(1);
  node.want(1, 5, cpus(1));
  node.log();
  node.left(1);
  EXPECT_THAT(node.log(), ElementsAre("close 100 for 1", "close 101 for 1"));
  EXPECT_EQ(node.scheduler().ledger().available(), cpus(0)) << "its tasks still run";
  node.join(2);
  node.want(2, 2, cpus(1));
  node.ring_closed(100, 1);
  EXPECT_THAT(node.log(), ElementsAre("grant 2: lease 3 on 100"));
  node.ring_closed(100, 1);
  EXPECT_THAT(node.log(), IsEmpty());
  node.left(101);
  EXPECT_THAT(node.log(), ElementsAre("start 102", "grant 2: lease 4 on 102")) << "lease 2 is announced to no client";
}

TEST(NodeScheduler, SCHED5_AWorkerThatDoesNotCloseIsKilled) {
  RecordedScheduler node({.total = cpus(1), .close_ring_grace = 2000 * kMs});
  node.join(1);
  node.want(1, 1, cpus(1));
  node.want(1, 0, cpus(1));
  node.blocked(100);
  node.left(1);
  node.log();
  node.pass(1999 * kMs);
  EXPECT_THAT(node.log(), IsEmpty());
  node.pass(1 * kMs);
  EXPECT_THAT(node.log(), ElementsAre("kill 100"));
  node.ring_closed(100, 1);
  EXPECT_EQ(node.scheduler().ledger().available(), cpus(1));
  node.left(100);
  EXPECT_EQ(node.scheduler().ledger().available(), cpus(1));
  EXPECT_EQ(node.scheduler().next_tick(), kNever);
}

TEST(NodeScheduler, SCHED5_ADeadWorkerLosesBothItsLeaseAndThoseItHeld) {
  RecordedScheduler node({.total = cpus(2)});
  node.join(1);
  node.want(1, 1, cpus(1));
  node.want(100, 3, cpus(1), 4);
  node.log();
  node.left(100);
  EXPECT_THAT(node.log(), ElementsAre("ended 1: lease 1, killed by signal 9 (SIGKILL)", "close 101 for 100",
                                      "start 102", "grant 1: lease 3 on 102"));
  node.ring_closed(101, 100);
  EXPECT_EQ(node.scheduler().ledger().available(), cpus(1));
}

TEST(NodeScheduler, SCHED5_DemandsOfADeadSubmitterAreVoidAlsoWhileAWorkerStartsForThem) {
  RecordedScheduler node({.total = cpus(1)}, false);
  node.join(1);
  node.join(2);
  node.want(1, 1, cpus(1));
  node.want(2, 1, cpus(1));
  node.log();
  node.left(1);
  EXPECT_THAT(node.log(), IsEmpty()) << "the worker that starts will do for the other";
  node.worker_started(100);
  EXPECT_THAT(node.log(), ElementsAre("grant 2: lease 1 on 100"));
}

TEST(NodeScheduler, AWithdrawnDemandLeavesItsWorkerIdle) {
  RecordedScheduler node({.total = cpus(2)}, false);
  node.join(1);
  node.want(1, 2, cpus(1));
  node.log();
  node.want(1, 1, cpus(1));
  EXPECT_EQ(node.scheduler().ledger().available(), cpus(1));
  node.want(1, 0, cpus(1));
  node.worker_started(100);
  node.worker_started(101);
  EXPECT_THAT(node.log(), IsEmpty());
  EXPECT_EQ(node.scheduler().ledger().available(), cpus(2));
  node.want(1, 1, cpus(1));
  EXPECT_THAT(node.log(), ElementsAre("grant 1: lease 1 on 101")) << "the most recently used";
}

TEST(NodeScheduler, LeasesAreNumberedWithinTheNode) {
  struct NoEffects final : NodeSchedulerEffects {
    void start_worker(ClientId, const std::vector<GpuShare>&, const std::string&) override {}
    void kill_worker(ClientId) override {}
    void grant(ClientId, const Grant& grant) override { lease = grant.lease; }
    void lease_ended(ClientId, LeaseId, LeaseEnd, const std::string&) override {}
    void infeasible(ClientId, ShapeIndex, const std::string&) override {}
    void ask_back(ClientId, ShapeIndex, std::uint32_t) override {}
    void close_ring(ClientId, ClientId) override {}
    LeaseId lease;
  } effects;
  const std::uint64_t node = std::uint64_t{7} << 40;
  NodeScheduler scheduler({.total = cpus(1), .first_client_id = node + 5}, effects);
  scheduler.driver_joined(ClientId{1}, Time{0});
  scheduler.set_demand(ClientId{1}, 0, cpus(1), 1, Time{0});
  scheduler.worker_started(ClientId{node + 5}, Time{0});
  EXPECT_EQ(effects.lease.value, node + 1);
}

}  // namespace
}  // namespace manta::sched
