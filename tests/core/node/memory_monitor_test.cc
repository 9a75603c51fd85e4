// Which worker is ended first.
#include <gtest/gtest.h>
#include <unistd.h>

#include <vector>

#include "core/node/memory_monitor.h"

namespace manta::node {
namespace {

using Kind = sched::Occupant::Kind;
constexpr std::uint64_t kMiB = 1 << 20;

MemoryUser user(std::uint64_t id, Kind kind, std::uint64_t mib, int since = 0) {
  return {{ClientId{id}, kind, std::chrono::seconds(since)}, mib * kMiB};
}

TEST(MemoryMonitor, KindsInOrder) {
  EXPECT_EQ(choose_to_end({user(1, Kind::actor, 500), user(2, Kind::task, 400), user(3, Kind::idle, 300)}),
            ClientId{3});
  EXPECT_EQ(choose_to_end({user(1, Kind::actor, 500), user(2, Kind::task, 400)}), ClientId{2});
  EXPECT_EQ(choose_to_end({user(1, Kind::actor, 500)}), ClientId{1});
}

TEST(MemoryMonitor, TheBiggestOfAKind) {
  EXPECT_EQ(choose_to_end({user(1, Kind::task, 900, 1), user(2, Kind::task, 100, 9), user(3, Kind::task, 50, 5)}),
            ClientId{1});
}

TEST(MemoryMonitor, TheNewestOfThoseAlike) {
  EXPECT_EQ(choose_to_end({user(1, Kind::task, 900, 1), user(2, Kind::task, 850, 9), user(3, Kind::task, 50, 20)}),
            ClientId{2});
}

TEST(MemoryMonitor, WhatWouldNotHelpIsSpared) {
  EXPECT_EQ(choose_to_end({user(1, Kind::actor, 8000), user(2, Kind::task, 100), user(3, Kind::idle, 20)}),
            ClientId{1});
  EXPECT_EQ(choose_to_end({user(1, Kind::task, 5), user(2, Kind::idle, 1)}), ClientId{});
  EXPECT_EQ(choose_to_end({}), ClientId{});
}

TEST(MemoryMonitor, Threshold) {
  EXPECT_FALSE((MemoryUse{95, 100}.above(0.95)));
  EXPECT_TRUE((MemoryUse{96, 100}.above(0.95)));
  EXPECT_FALSE((MemoryUse{1, 0}.above(0.95)));
}

TEST(MemoryMonitor, Readings) {
  const auto use = Container().memory_use();
  ASSERT_TRUE(use);
  EXPECT_GT(use->used_bytes, kMiB);
  EXPECT_LT(use->used_bytes, use->total_bytes);
  const std::uint64_t before = read_private_bytes(::getpid());
  EXPECT_GT(before, 0U);
  std::vector<char> more(64 * kMiB, 1);
  EXPECT_GT(read_private_bytes(::getpid()), before + 60 * kMiB) << static_cast<int>(more[5]);
  EXPECT_EQ(read_private_bytes(1 << 30), 0U);
}

}  // namespace
}  // namespace manta::node
