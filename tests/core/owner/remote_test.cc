// Owner: what leases on other nodes need. Tasks that come back by message; leases asked back of one node; shapes that
// differ only in where they may run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/owner/recorded_owner.h"

namespace manta::owner {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// The link has given it up already, as one does that hears so from its worker.
void come_back(RecordedOwner& o, FakeRing& ring, Entry* entry) {
  ASSERT_TRUE(ring.take_back(*entry));
  o.call([&] { o.owner().leases().came_back(*entry); });
}

TEST(OwnerComeBack, GoesToTheLeaseWithTheFewest) {
  RecordedOwner o;
  std::vector<Entry*> tasks;
  for (std::uint64_t n = 1; n <= 4; ++n) tasks.push_back(o.submit(n));
  FakeRing& first = o.grant(1);
  o.start(1);
  FakeRing& second = o.grant(2);  // gets two of the three
  while (Entry* entry = o.start(2)) o.finish(entry);
  ASSERT_THAT(first.unstarted(), IsEmpty());
  ASSERT_THAT(second.unstarted(), IsEmpty());
  Entry* late = o.submit(5);
  ASSERT_THAT(second.unstarted(), ElementsAre(5));
  come_back(o, second, late);
  EXPECT_THAT(second.unstarted(), ElementsAre(5));  // still the one with the fewest
}

TEST(OwnerComeBack, OfABlockedLeaseWaitsForAnother) {
  RecordedOwner o;
  o.submit(1);
  Entry* behind = o.submit(2);
  FakeRing& ring = o.grant(1, 1024);
  o.start(1);
  ASSERT_THAT(ring.unstarted(), ElementsAre(2));
  ASSERT_TRUE(ring.take_back(*behind));  // as if it were on its way
  o.call([&] { o.owner().leases().set_blocked(LeaseId{1}, true); });
  o.call([&] { o.owner().leases().came_back(*behind); });
  EXPECT_THAT(ring.unstarted(), IsEmpty());
  EXPECT_THAT(o.grant(2).unstarted(), ElementsAre(2));
}

TEST(OwnerComeBack, TheLastOfAYieldingLeaseEndsIt) {
  RecordedOwner o;
  Entry* task = o.submit(1);
  FakeRing& ring = o.grant(1);
  ASSERT_TRUE(ring.take_back(*task));
  o.call([&] { o.owner().leases().ask_back(0, 1); });
  o.log();
  o.call([&] { o.owner().leases().came_back(*task); });
  EXPECT_THAT(o.log(), ElementsAre("return 1"));
  o.call([&] { o.owner().leases().came_back(*task); });  // OWN-6: twice
  EXPECT_THAT(o.grant(2).unstarted(), ElementsAre(1));
}

TEST(OwnerAskBack, OfOneNodeAlone) {
  RecordedOwner o;  // workers 101 and up: all of node 0
  o.submit(1);
  o.grant(1);
  o.log();
  o.call([&] { o.owner().leases().ask_back(0, 1, NodeId{7}); });
  EXPECT_THAT(o.log(), IsEmpty());
}

TEST(OwnerShapes, DifferByWhere) {
  RecordedOwner o;
  const auto any = o.owner().leases().shape_of(cpus(3));
  const auto there = o.owner().leases().shape_of(cpus(3), {Placement::pack, NodeId{2}, false});
  const auto soft = o.owner().leases().shape_of(cpus(3), {Placement::pack, NodeId{2}, true});
  const auto spread = o.owner().leases().shape_of(cpus(3), {Placement::spread, {}, false});
  EXPECT_EQ((std::set{any, there, soft, spread}).size(), 4U);
  EXPECT_EQ(o.owner().leases().shape_of(cpus(3), {Placement::pack, NodeId{2}, false}), there);
  EXPECT_EQ(o.owner().where_of(there).node, NodeId{2});
}

}  // namespace
}  // namespace manta::owner
