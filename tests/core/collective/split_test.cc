// Groups made by splitting another: their ranks, and that no group depends on another.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <latch>
#include <thread>
#include <vector>

#include "core/collective/transport.h"
#include "tests/core/collective/members.h"

namespace manta::collective {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kLong{20};

struct SplitTest : ::testing::TestWithParam<Kind> {
  void run(int size, const Body& body) { run_group(GetParam(), size, body); }
};

// The group's sum of what its members give.
int sum(Group& group, int value) {
  group.all_reduce(&value, 1, DataType::i32, Reduction::sum);
  return value;
}
// What each member gives, by rank.
std::vector<int> all_of(Group& group, int value) {
  std::vector<int> values(static_cast<std::size_t>(group.size()));
  std::vector<std::span<std::byte>> parts;
  for (int& one : values) parts.push_back(std::as_writable_bytes(std::span(&one, 1)));
  group.all_gather(std::as_bytes(std::span(&value, 1)), parts);
  return values;
}

TEST_P(SplitTest, AGridHasRowsAndColumns) {
  run(6, [](Group& group) {
    const int row = group.rank() / 3, column = group.rank() % 3;
    const auto in_row = group.split(row, column);
    const auto in_column = group.split(column, row);
    ASSERT_EQ(in_row->size(), 3);
    ASSERT_EQ(in_column->size(), 2);
    EXPECT_EQ(in_row->rank(), column);
    EXPECT_EQ(in_column->rank(), row);
    EXPECT_EQ(all_of(*in_row, group.rank()), (std::vector<int>{3 * row, 3 * row + 1, 3 * row + 2}));
    EXPECT_EQ(all_of(*in_column, group.rank()), (std::vector<int>{column, column + 3}));
    // All in turn, with data of many steps.
    std::vector<float> values(200'000, 1.0F);
    for (int round = 0; round < 3; ++round) {
      for (Group* each : {in_row.get(), &group, in_column.get()}) {
        each->all_reduce(values.data(), values.size(), DataType::f32, Reduction::average);
        EXPECT_EQ(sum(*each, 1), each->size());
      }
    }
    EXPECT_EQ(values, std::vector<float>(200'000, 1.0F));
  });
}

TEST_P(SplitTest, KeysOrderTheRanksAndEqualOnesKeepTheirOrder) {
  run(4, [](Group& group) {
    const auto reversed = group.split(7, -group.rank());
    EXPECT_EQ(reversed->rank(), 3 - group.rank());
    EXPECT_EQ(all_of(*reversed, group.rank()), (std::vector<int>{3, 2, 1, 0}));
    const auto same = group.split(0, 5);
    EXPECT_EQ(same->rank(), group.rank());
    const auto mixed = reversed->split(0, group.rank() % 2);  // of 3, 2, 1, 0: the even ones first
    EXPECT_EQ(all_of(*mixed, group.rank()), (std::vector<int>{2, 0, 3, 1}));
  });
}

TEST_P(SplitTest, AMemberWithANegativeColorIsInNone) {
  run(3, [](Group& group) {
    const auto some = group.split(group.rank() == 1 ? -1 : 0, 0);
    ASSERT_EQ(some == nullptr, group.rank() == 1);
    if (some) {
      EXPECT_EQ(sum(*some, group.rank()), 2);
    }
    EXPECT_EQ(group.split(-1 - group.rank(), 0), nullptr);
    EXPECT_EQ(sum(group, 1), 3);
  });
}

TEST_P(SplitTest, EachMemberMayHaveAGroupOfItsOwn) {
  run(3, [](Group& group) {
    const auto own = group.split(group.rank(), 0);
    ASSERT_EQ(own->size(), 1);
    EXPECT_EQ(own->rank(), 0);
    own->barrier();
    EXPECT_EQ(all_of(*own, 5), std::vector<int>{5});
    const auto again = own->split(0, 0);
    EXPECT_EQ(sum(*again, 2), 2);
    EXPECT_EQ(own->split(-1, 0), nullptr);
    EXPECT_EQ(sum(group, 1), 3);
  });
}

TEST_P(SplitTest, ManySplitsInARowAndTheirMessagesStayApart) {
  run(3, [](Group& group) {
    std::vector<std::unique_ptr<Group>> groups;
    for (int i = 0; i < 10; ++i) groups.push_back(group.split(0, i % 2 == 0 ? group.rank() : -group.rank()));
    // The same pair and tag in all of them, received in another order.
    const auto peer = [](const Group& one, int step) { return (one.rank() + step + one.size()) % one.size(); };
    for (int i = 0; i < 10; ++i) {
      groups[static_cast<std::size_t>(i)]->send(std::as_bytes(std::span(&i, 1)),
                                                peer(*groups[static_cast<std::size_t>(i)], 1));
    }
    for (int i = 9; i >= 0; --i) {
      Group& one = *groups[static_cast<std::size_t>(i)];
      int found = -1;
      one.receive(std::as_writable_bytes(std::span(&found, 1)), peer(one, -1));
      EXPECT_EQ(found, i);
    }
    group.barrier();
  });
}

TEST_P(SplitTest, TheTimeoutIsInherited) {
  run(2, [](Group& group) {
    group.set_timeout(std::chrono::milliseconds(12'345));
    const auto other = group.split(0, 0);
    EXPECT_EQ(other->timeout(), std::chrono::milliseconds(12'345));
    other->set_timeout(std::chrono::milliseconds(1));
    EXPECT_EQ(group.timeout(), std::chrono::milliseconds(12'345));
    group.barrier();
  });
}

TEST_P(SplitTest, AnotherCallIsRefusedAndTheGroupGoesOn) {
  run(2, [](Group& group) {
    const std::string text = error_of(ErrorCode::invalid_argument, [&] {
      if (group.rank() == 0) {
        (void)group.split(0, 0);
      } else {
        group.barrier();
      }
    });
    EXPECT_NE(text.find("rank 0 calls split, but rank 1 calls barrier"), std::string::npos) << text;
    EXPECT_EQ(group.split(0, 0)->size(), 2);
    group.barrier();
  });
}

TEST_P(SplitTest, AnEndOfOneGroupDoesNotEndAnother) {
  run(4, [](Group& group) {
    const auto half = group.split(group.rank() % 2, 0);
    const auto twin = group.split(group.rank() % 2, 0);
    if (group.rank() == 0) half->abort("enough");
    if (group.rank() % 2 == 0) error_of(ErrorCode::cancelled, [&] { half->barrier(); });
    EXPECT_EQ(sum(*twin, 1), 2);
    EXPECT_EQ(sum(group, 1), 4);
    if (group.rank() == 3) group.abort("and this one");
    error_of(ErrorCode::cancelled, [&] { group.barrier(); });
    error_of(ErrorCode::cancelled, [&] { (void)group.split(0, 0); });
    EXPECT_EQ(sum(*twin, 1), 2);
    if (group.rank() % 2 == 1) {
      EXPECT_EQ(sum(*half, 1), 2);
    }
  });
}

TEST_P(SplitTest, TheNewGroupOutlivesTheOldOne) {
  const std::string name = new_name();
  const Kind kind = GetParam() == Kind::processes ? Kind::threads : GetParam();
  std::vector<std::thread> members;
  for (int rank = 0; rank < 3; ++rank) {
    members.emplace_back([&, rank] {
      run_guarded(rank, [&] {
        auto group = join(kind, {.name = name, .rank = rank, .size = 3, .timeout = kLong});
        const auto other = group->split(0, -rank);
        group.reset();
        EXPECT_EQ(all_of(*other, rank), (std::vector<int>{2, 1, 0}));
      });
    });
  }
  for (auto& member : members) member.join();
}

INSTANTIATE_TEST_SUITE_P(Kinds, SplitTest, ::testing::ValuesIn(kKinds),
                         [](const auto& chosen) { return std::string(to_string(chosen.param)); });

// Rank 3 is in a group of its own with rank 1, and dies. The groups that it is in fail, and the other does not.
TEST(SplitFailure, ADeathEndsOnlyTheGroupsOfTheDeadMember) {
  const std::string name = new_name();
  const auto rendezvous = [&](int rank) { return Rendezvous{.name = name, .rank = rank, .size = 4, .timeout = kLong}; };
  Process victim([&] {
    const auto group = Group::join(rendezvous(3));
    const auto half = group->split(1, 0);
    half->barrier();
    ::raise(SIGKILL);
  });
  std::vector<std::thread> members;
  for (int rank = 0; rank < 3; ++rank) {
    members.emplace_back([&, rank] {
      run_guarded(rank, [&] {
        const auto group = Group::join(rendezvous(rank));
        const auto half = group->split(rank % 2, 0);
        if (rank == 1) {
          half->barrier();
          const std::string text = error_of(ErrorCode::unavailable, [&] { half->barrier(); });
          EXPECT_NE(text.find("rank 1 (process " + std::to_string(victim.pid()) + ") died"), std::string::npos) << text;
        }
        error_of(ErrorCode::unavailable, [&] { group->barrier(); });
        for (int i = 0; rank != 1 && i < 100; ++i) EXPECT_EQ(sum(*half, 1), 2);
      });
    });
  }
  for (auto& member : members) member.join();
}

// The victim says that it is in the new group, and dies before it joins: as the rank that makes it, or another.
TEST(SplitFailure, ADeathBetweenTheCallAndTheNewGroupIsNoticedBeforeTheTimeout) {
  for (const int doomed : {0, 1, 2}) {
    const std::string name = new_name();
    Process victim([&] {
      const auto group = Group::join({.name = name, .rank = doomed, .size = 3, .timeout = kLong});
      Transport& transport = group->transport();
      const std::int32_t choice[] = {0, 0};  // color and key
      std::memcpy(transport.next_space().data(), choice, sizeof choice);
      transport.publish({.operation = Operation::split}, {.bytes = sizeof choice});
      (void)transport.await_step();
      ::raise(SIGKILL);
    });
    std::latch done(2);
    std::vector<std::thread> members;
    for (int rank = 0; rank < 3; ++rank) {
      if (rank == doomed) continue;
      members.emplace_back([&, rank] {
        run_guarded(rank, [&] {
          const auto group = Group::join({.name = name, .rank = rank, .size = 3, .timeout = kLong});
          const auto start = Clock::now();
          const std::string text = error_of(ErrorCode::unavailable, [&] { (void)group->split(0, 0); });
          EXPECT_NE(text.find("(process " + std::to_string(victim.pid()) + ") died"), std::string::npos) << text;
          EXPECT_LT(Clock::now() - start, kLong / 4);
          done.arrive_and_wait();  // else the other may see that this one leaves
        });
      });
    }
    for (auto& member : members) member.join();
  }
}

}  // namespace
}  // namespace manta::collective
