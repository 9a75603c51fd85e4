#include "core/client/shared_values.h"

#include <gtest/gtest.h>

namespace manta::client {
namespace {

using namespace std::chrono_literals;

const char kText = 0, kNumber = 0;
std::shared_ptr<const void> made(int n) { return std::make_shared<const int>(n); }
ObjectId object(std::uint64_t n) { return {n, 1}; }
const SharedValues::Time kStart{100s};

TEST(SharedValues, TheFirstIsUsedByAll) {
  SharedValues values;
  EXPECT_EQ(values.find(object(1), &kText, kStart), nullptr);
  const auto first = values.keep(object(1), &kText, made(1), 10, kStart);
  EXPECT_EQ(values.keep(object(1), &kText, made(2), 10, kStart), first);
  EXPECT_EQ(values.find(object(1), &kText, kStart), first);
  EXPECT_EQ(values.find(object(1), &kNumber, kStart), nullptr) << "of another type";
  EXPECT_EQ(values.find(object(2), &kText, kStart), nullptr);
}

TEST(SharedValues, UnusedOnesAreDropped) {
  SharedValues values;
  EXPECT_EQ(values.expire(kStart), SharedValues::Time::max());
  std::shared_ptr<const void> used = values.keep(object(1), &kText, made(1), 10, kStart);
  const std::weak_ptr<const void> unused = values.keep(object(2), &kText, made(2), 10, kStart);
  EXPECT_EQ(values.expire(kStart + 1s), kStart + 2s);
  EXPECT_EQ(values.expire(kStart + 2s), kStart + 4s) << "the first is in use";
  EXPECT_TRUE(unused.expired());
  EXPECT_EQ(values.find(object(1), &kText, kStart + 3s), used);
  used.reset();
  EXPECT_EQ(values.expire(kStart + 3s), kStart + 5s);
  EXPECT_EQ(values.expire(kStart + 5s), SharedValues::Time::max());
  EXPECT_EQ(values.find(object(1), &kText, kStart + 5s), nullptr);
}

TEST(SharedValues, TheOldestGiveWay) {
  SharedValues values;
  for (std::uint64_t i = 0; i < SharedValues::kMost + 1; ++i) {
    (void)values.keep(object(i), &kText, made(1), 1, kStart);
    (void)values.find(object(0), &kText, kStart);
  }
  EXPECT_NE(values.find(object(0), &kText, kStart), nullptr) << "it was used all the time";
  EXPECT_EQ(values.find(object(1), &kText, kStart), nullptr);
  (void)values.keep(object(1000), &kText, made(1), 2 * SharedValues::kMostBytes, kStart);
  EXPECT_NE(values.find(object(1000), &kText, kStart), nullptr);
  EXPECT_EQ(values.find(object(0), &kText, kStart), nullptr);
}

}  // namespace
}  // namespace manta::client
