// NodeScheduler: worker processes are started, reused, ended and replaced.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/sched/recorded_scheduler.h"

namespace manta::sched {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

ResourceSet node_of(double n_cpus, double n_gpus) {
  ResourceSet total = cpus(n_cpus);
  total.gpus = gpus(n_gpus).gpus;
  return total;
}

TEST(Workers, SCHED3_AreReusedWithTheSameGpusOnly) {
  RecordedScheduler node({.total = node_of(4, 2)});
  node.join(1);
  node.want(1, 1, gpus(0.5));
  EXPECT_THAT(node.log(), ElementsAre("start 100 gpus 0", "grant 1: lease 1 on 100"));
  node.want(1, 1, gpus(2), 1);
  node.want(1, 1, cpus(1), 2);
  EXPECT_THAT(node.log(), ElementsAre("start 101", "grant 1/2: lease 2 on 101"));
  node.want(1, 0, gpus(0.5));
  EXPECT_THAT(node.log(), ElementsAre("ask 1: 1"));
  node.give_back(1, 1);
  EXPECT_THAT(node.log(), ElementsAre("start 102 gpus 0 1", "grant 1/1: lease 3 on 102")) << "100 saw GPU 0 alone";
  node.want(1, 0, gpus(2), 1);
  node.give_back(1, 3);
  node.want(1, 1, gpus(0.9), 3);
  EXPECT_THAT(node.log(), ElementsAre("grant 1/3: lease 4 on 100")) << "another share of the same GPU";
  node.want(1, 0, cpus(1), 2);
  node.give_back(1, 2);
  node.want(1, 1, gpus(1), 4);
  EXPECT_THAT(node.log(), ElementsAre("start 103 gpus 1", "grant 1/4: lease 5 on 103")) << "not the idle plain one";
}

TEST(Workers, SCHED3_AreReusedWithTheSameEnvironmentOnly) {
  RecordedScheduler node({.total = cpus(4), .warm_workers = 1});
  ResourceSet one = cpus(1), two = cpus(1);
  one.env = std::string("A=1") + '\0';
  two.env = std::string("A=2") + '\0';
  node.start();
  node.join(1);
  node.want(1, 1, one, 1);
  EXPECT_THAT(node.log(), ElementsAre("start 100", "start 101 env A=1", "grant 1/1: lease 1 on 101"));
  node.want(1, 1, two, 2);
  EXPECT_THAT(node.log(), ElementsAre("start 102 env A=2", "grant 1/2: lease 2 on 102"));
  node.want(1, 1, cpus(1), 3);
  EXPECT_THAT(node.log(), ElementsAre("grant 1/3: lease 3 on 100")) << "the plain one";
  node.want(1, 0, one, 1);
  node.give_back(1, 1);
  one.cpus = cpus(0.5).cpus;
  node.want(1, 1, one, 4);
  EXPECT_THAT(node.log(), ElementsAre("grant 1/4: lease 4 on 101")) << "another shape, the same environment";
}

TEST(Workers, SCHED7_AnIdleOneEndsForOneWithAnotherEnvironment) {
  RecordedScheduler node({.total = cpus(2), .max_workers = 1});
  ResourceSet one = cpus(1), two = cpus(1);
  one.env = std::string("A=1") + '\0';
  two.env = std::string("A=2") + '\0';
  node.join(1);
  node.want(1, 1, one, 1);
  node.want(1, 0, one, 1);
  node.give_back(1, 1);
  node.log();
  node.want(1, 1, two, 2);
  EXPECT_THAT(node.log(), ElementsAre("kill 100"));
  node.left(100);
  EXPECT_THAT(node.log(), ElementsAre("start 101 env A=2", "grant 1/2: lease 2 on 101"));
}

TEST(Workers, SCHED7_AreBounded) {
  RecordedScheduler node({.total = cpus(8), .max_workers = 2});
  node.join(1);
  node.want(1, 5, cpus(1));
  EXPECT_THAT(node.log(), ElementsAre("start 100", "start 101", "grant 1: lease 1 on 100", "grant 1: lease 2 on 101"));
  EXPECT_EQ(node.why_waiting(1),
            "all 2 worker processes of this node are in use, 0 of them blocked in get (InitOptions::max_workers)");
}

TEST(Workers, SCHED7_AnIdlePlainOneEndsForOneWithGpus) {
  RecordedScheduler node({.total = node_of(2, 1), .max_workers = 2, .warm_workers = 2});
  node.join(1);
  node.start();
  EXPECT_THAT(node.log(), ElementsAre("start 100", "start 101"));
  node.want(1, 1, gpus(1));
  EXPECT_THAT(node.log(), ElementsAre("kill 100")) << "the least recently used";
  node.pass(10 * kMs);
  EXPECT_THAT(node.log(), IsEmpty()) << "one death is enough";
  node.left(100);
  EXPECT_THAT(node.log(), ElementsAre("start 102 gpus 0", "grant 1: lease 1 on 102")) << "not a warm one";
}

TEST(Workers, SCHED7_IdleGpuWorkersEndForPlainOnesToo) {
  RecordedScheduler node({.total = node_of(2, 1), .max_workers = 1});
  node.join(1);
  node.want(1, 1, gpus(1));
  node.want(1, 0, gpus(1));
  node.give_back(1, 1);
  node.log();
  node.want(1, 1, cpus(1), 1);
  EXPECT_THAT(node.log(), ElementsAre("kill 100"));
  node.left(100);
  EXPECT_THAT(node.log(), ElementsAre("start 101", "grant 1/1: lease 2 on 101"));
}

TEST(Workers, IdleOnesEndAfterTheirLife) {
  RecordedScheduler node({.total = cpus(4), .warm_workers = 1, .idle_worker_life = 5000 * kMs});
  node.join(1);
  node.start();
  node.want(1, 3, cpus(1));
  node.want(1, 0, cpus(1));
  node.log();
  node.give_back(1, 1);
  node.pass(1000 * kMs);
  node.give_back(1, 2);
  node.give_back(1, 3);
  node.pass(3999 * kMs);
  EXPECT_THAT(node.log(), IsEmpty());
  node.pass(1 * kMs);
  EXPECT_THAT(node.log(), ElementsAre("kill 100"));
  node.pass(1000 * kMs);
  EXPECT_THAT(node.log(), ElementsAre("kill 101")) << "102 is kept warm";
  node.left(100);
  node.left(101);
  node.pass(60'000 * kMs);
  EXPECT_THAT(node.log(), IsEmpty());
  EXPECT_EQ(node.scheduler().next_tick(), kNever);
}

TEST(Workers, IdleOnesThatOwnThingsDoNotEnd) {
  RecordedScheduler node({.total = node_of(4, 1), .max_workers = 2});
  node.join(1);
  node.want(1, 2, cpus(1));
  node.want(101, 1, cpus(1));  // it has submitted, and waits
  node.keep_alive(100, true);
  node.keep_alive(77, true);
  node.want(1, 0, cpus(1));
  node.give_back(1, 1);
  EXPECT_THAT(node.leases_of(101), ElementsAre(3)) << "on 100";
  node.give_back(1, 2);
  node.give_back(101, 3);
  node.log();
  node.want(1, 1, gpus(1), 1);
  node.pass(60'000 * kMs);
  EXPECT_THAT(node.leases_of(101), ElementsAre(4));
  const auto log = node.log();
  EXPECT_THAT(log, testing::Not(testing::Contains("kill 100")));
  EXPECT_THAT(log, testing::Not(testing::Contains("kill 101")));
  node.want(101, 0, cpus(1));
  node.give_back(101, 4);
  EXPECT_THAT(node.log(), ElementsAre("kill 101"));
  node.left(101);
  EXPECT_THAT(node.log(), ElementsAre("start 102 gpus 0", "grant 1/1: lease 5 on 102"));
  node.pass(60'000 * kMs);
  EXPECT_THAT(node.log(), IsEmpty());
  node.keep_alive(100, false);
  node.pass(0 * kMs);
  EXPECT_THAT(node.log(), ElementsAre("kill 100"));
}

TEST(Workers, WarmOnesAreStartedAndReplaced) {
  RecordedScheduler node({.total = cpus(4), .warm_workers = 2, .start_retry = 1000 * kMs});
  node.join(1);
  node.start();
  EXPECT_THAT(node.log(), ElementsAre("start 100", "start 101"));
  node.want(1, 1, cpus(1));
  EXPECT_THAT(node.log(), ElementsAre("grant 1: lease 1 on 101"));
  node.left(101);
  EXPECT_THAT(node.log(),
              ElementsAre("ended 1: lease 1, killed by signal 9 (SIGKILL)", "grant 1: lease 2 on 100", "start 102"));
  node.left(102);  // never used: it may die again at once
  EXPECT_THAT(node.log(), IsEmpty());
  node.pass(1000 * kMs);
  EXPECT_THAT(node.log(), ElementsAre("start 103"));
}

TEST(Workers, AFailedStartIsTriedAgain) {
  RecordedScheduler node({.total = cpus(4)}, false);
  node.join(1);
  node.want(1, 1, cpus(1));
  node.worker_failed(100, "no memory");
  EXPECT_THAT(node.log(), ElementsAre("start 100", "start 101"));
  node.left(101, "killed by signal 11 (SIGSEGV)");  // before it was ready: the same
  EXPECT_THAT(node.log(), ElementsAre("start 102"));
  node.worker_started(102);
  EXPECT_THAT(node.log(), ElementsAre("grant 1: lease 1 on 102"));
  node.want(1, 2, cpus(1));
  node.worker_failed(103, "no memory");
  node.worker_failed(104, "no memory");
  node.worker_started(105);
  EXPECT_THAT(node.leases_of(1), ElementsAre(1, 2)) << "not three in a row";
}

TEST(Workers, ThreeFailedStartsInARowFailTheWaitingDemands) {
  RecordedScheduler node({.total = cpus(4), .start_retry = 1000 * kMs}, false);
  node.join(1);
  node.want(1, 2, cpus(1));
  node.worker_failed(100, "no memory");
  node.worker_failed(101, "no memory");
  EXPECT_THAT(node.log(), ElementsAre("start 100", "start 101", "start 102", "start 103"));
  node.worker_failed(102, "no memory");
  EXPECT_THAT(node.log(), IsEmpty()) << "another is being started for it";
  node.worker_failed(103, "no memory at all");
  EXPECT_THAT(node.log(), ElementsAre("infeasible 1"));
  EXPECT_EQ(node.last_infeasible(),
            "worker processes cannot be started on this node: 4 attempts in a row failed, the last with \"no memory at "
            "all\"; see the node's log");
  EXPECT_EQ(node.scheduler().ledger().available(), cpus(4));
  node.want(1, 1, cpus(1));
  EXPECT_THAT(node.log(), IsEmpty());
  EXPECT_EQ(node.why_waiting(1),
            "the last attempt to start a worker process failed with \"no memory at all\"; it is "
            "tried again");
  node.pass(1000 * kMs);
  EXPECT_THAT(node.log(), ElementsAre("start 104"));
  node.worker_failed(104, "no memory");
  EXPECT_THAT(node.log(), ElementsAre("infeasible 1"));
  node.want(1, 1, cpus(1));
  node.pass(1000 * kMs);
  node.worker_started(105);
  EXPECT_THAT(node.leases_of(1), ElementsAre(1));
}

TEST(Workers, AllBlockedAndNoneMayBeAddedFailsWhatTheyWaitFor) {
  RecordedScheduler node({.total = cpus(2), .max_workers = 2, .all_blocked_grace = 1000 * kMs});
  node.join(1);
  node.want(1, 3, cpus(1));
  node.want(100, 1, cpus(1));
  node.blocked(100);
  node.blocked(101);
  node.log();
  node.pass(999 * kMs);
  EXPECT_THAT(node.log(), IsEmpty()) << "one of them may be about to go on";
  EXPECT_EQ(node.why_waiting(100),
            "all 2 worker processes of this node are in use, 2 of them blocked in get (InitOptions::max_workers)");
  node.pass(1 * kMs);
  EXPECT_THAT(node.log(), ElementsAre("infeasible 100")) << "not the driver, whose tasks will run then";
  EXPECT_EQ(node.last_infeasible(),
            "all 2 worker processes of this node are blocked in get; raise InitOptions::max_workers or make tasks wait "
            "less deeply");
  node.unblocked(100);
  node.pass(10'000 * kMs);
  EXPECT_THAT(node.log(), IsEmpty()) << "not stuck any more";
  node.blocked(100);
  node.pass(1000 * kMs);
  EXPECT_THAT(node.log(), ElementsAre("infeasible 1")) << "no other demand to fail";
}

}  // namespace
}  // namespace manta::sched
