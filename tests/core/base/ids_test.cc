#include <manta/ids.h>

#include <set>
#include <type_traits>
#include <unordered_set>

#include <gtest/gtest.h>

namespace manta {
namespace {

TEST(ObjectId, PrintsAs32HexadecimalDigits) {
  EXPECT_EQ(ObjectId{}.to_string(), "00000000000000000000000000000000");
  EXPECT_EQ((ObjectId{0x0123456789abcdef, 0xfedcba9876543210}).to_string(), "0123456789abcdeffedcba9876543210");
}

TEST(ObjectId, OfNothingIsFalse) {
  EXPECT_FALSE(ObjectId{});
  EXPECT_TRUE((ObjectId{0, 1}));
  EXPECT_TRUE((ObjectId{1, 0}));
}

// A repeated attempt of a task names its children and objects as the first did.
TEST(ObjectId, ChildrenAreTheSameEachTimeAndAllDifferent) {
  const ObjectId parent{1, 2};
  EXPECT_EQ(parent.child(7), parent.child(7));
  std::set<ObjectId> ids{parent};
  for (std::uint64_t n = 0; n < 10'000; ++n) {
    ids.insert(parent.child(n));
    ids.insert(parent.put(n));
    ids.insert(parent.child(0).child(n));
  }
  EXPECT_EQ(ids.size(), 30'001u);
}

TEST(Ids, OfDifferentKindsAreDifferentTypes) {
  static_assert(!std::is_convertible_v<NodeId, ClientId>);
  static_assert(!std::is_convertible_v<std::uint64_t, LeaseId>);
  std::unordered_set<NodeId> nodes{NodeId{1}, NodeId{2}, NodeId{1}};
  EXPECT_EQ(nodes.size(), 2u);
  EXPECT_FALSE(NodeId{});
}

}  // namespace
}  // namespace manta
