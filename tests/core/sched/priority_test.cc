// NodeScheduler: demands of higher priority first (SCHED-6).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/sched/recorded_scheduler.h"

namespace manta::sched {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

ResourceSet urgent(std::int16_t priority) {
  ResourceSet request = cpus(1);
  request.priority = priority;
  return request;
}

TEST(Priority, HigherGoesFirstWhateverTheOrderOfArrival) {
  RecordedScheduler node({.total = cpus(1)});
  for (const std::uint64_t client : {1, 2, 3, 4}) node.join(client);
  node.want(1, 1, urgent(9));
  node.log();
  node.want(2, 1, urgent(-1));
  node.want(3, 1, cpus(1));
  node.want(4, 1, urgent(5));
  EXPECT_THAT(node.log(), IsEmpty()) << "only those that wait are below any of them";
  node.want(1, 0, urgent(9));
  node.log();
  node.give_back(1, 1);
  EXPECT_THAT(node.log(), ElementsAre("grant 4: lease 2 on 100"));
  node.want(4, 0, urgent(5));
  node.log();
  node.give_back(4, 2);
  EXPECT_THAT(node.log(), ElementsAre("grant 3: lease 3 on 100"));
  node.want(3, 0, cpus(1));
  node.log();
  node.give_back(3, 3);
  EXPECT_THAT(node.log(), ElementsAre("grant 2: lease 4 on 100"));
}

TEST(Priority, LeasesOfLowerOnesAreAskedBackAtOnce) {
  RecordedScheduler node({.total = cpus(2)});
  node.join(1);
  node.join(2);
  node.want(1, 10, urgent(-5), 0);
  node.log();
  node.want(1, 1, urgent(5), 1);  // its own
  EXPECT_THAT(node.log(), ElementsAre("ask 1: 1"));
  node.give_back(1, 1);
  EXPECT_THAT(node.log(), ElementsAre("grant 1/1: lease 3 on 100"));
  node.want(2, 1, urgent(6));
  EXPECT_THAT(node.log(), ElementsAre("ask 1: 1")) << "the lower of the two";
}

TEST(Priority, TheLowestGivesWay) {
  RecordedScheduler node({.total = cpus(2)});
  for (const std::uint64_t client : {1, 2, 3}) node.join(client);
  node.want(1, 1, urgent(1));
  node.want(2, 1, urgent(-1));
  node.log();
  node.want(3, 1, urgent(2));
  EXPECT_THAT(node.log(), ElementsAre("ask 2: 1"));
}

TEST(Priority, LowerOnesTakeNothingFromHigherOnes) {
  RecordedScheduler node({.total = cpus(2)});
  node.join(1);
  node.join(2);
  node.want(1, 4, urgent(3));
  node.want(2, 2, cpus(1));
  node.log();
  node.pass(std::chrono::seconds(5));
  EXPECT_THAT(node.log(), IsEmpty()) << "neither by share nor by turn";
  node.want(2, 1, urgent(3), 1);
  EXPECT_THAT(node.log(), ElementsAre("ask 1: 1")) << "by share, as among equals";
}

}  // namespace
}  // namespace manta::sched
