#include "core/node/dead_arenas.h"

#include <fcntl.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace manta::node {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr NodeId kHere{1}, kThere{2};
constexpr ClientId kAnn = client_of(kHere, 5), kBob = client_of(kHere, 6), kFar = client_of(kThere, 7);

Fd some_memory() { return Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

struct Arenas {
  std::vector<ClientId> reported;
  DeadArenas arenas{kHere, [this](ClientId arena) { reported.push_back(arena); }};
};

TEST(DeadArenas, KeepTheMemoryUntilItsLastUserKnowsOfNothingInIt) {
  Arenas all;
  all.arenas.keep(kAnn, some_memory(), {kBob, client_of(kThere, 0)});
  EXPECT_GE(all.arenas.memory_of(kAnn), 0);
  all.arenas.unused(kAnn, kBob);
  EXPECT_GE(all.arenas.memory_of(kAnn), 0) << "the other node has yet to answer for its processes";
  all.arenas.unused(kAnn, client_of(kThere, 0));
  EXPECT_EQ(all.arenas.memory_of(kAnn), -1);
  EXPECT_THAT(all.reported, IsEmpty()) << "the memory is this node's own";
}

TEST(DeadArenas, ReportToTheNodeOfAnArenaThatNoProcessHereUses) {
  Arenas all;
  all.arenas.keep(kFar, Fd(), {kAnn, kBob});
  EXPECT_EQ(all.arenas.memory_of(kFar), -1) << "another node has the memory";
  all.arenas.drop_user(kAnn);
  EXPECT_THAT(all.reported, IsEmpty());
  all.arenas.drop_user(kBob);
  EXPECT_THAT(all.reported, ElementsAre(kFar));
}

TEST(DeadArenas, WithoutUsersAreReportedAtOnce) {
  Arenas all;
  all.arenas.keep(kFar, Fd(), {});
  EXPECT_THAT(all.reported, ElementsAre(kFar));
}

TEST(DeadArenas, AStandbyOwnerUsesWhatItsClientUsed) {
  Arenas all;
  const ClientId standby{kBob.value + 1000};
  all.arenas.keep(kAnn, some_memory(), {kBob});
  all.arenas.add_user(standby, kBob);
  all.arenas.drop_user(kBob);
  EXPECT_GE(all.arenas.memory_of(kAnn), 0);
  all.arenas.drop_user(standby);
  EXPECT_EQ(all.arenas.memory_of(kAnn), -1);
}

TEST(DeadArenas, OfANodeThatDiedAreForgottenAndItsProcessesUseNothing) {
  Arenas all;
  all.arenas.keep(kAnn, some_memory(), {client_of(kThere, 0)});
  all.arenas.keep(kFar, Fd(), {kBob});
  all.arenas.node_gone(kThere);
  EXPECT_EQ(all.arenas.memory_of(kAnn), -1);
  all.arenas.drop_user(kBob);
  EXPECT_THAT(all.reported, IsEmpty()) << "there is no node to tell";
}

}  // namespace
}  // namespace manta::node
