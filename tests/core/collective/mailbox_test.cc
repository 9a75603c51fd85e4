// Messages between pairs.
#include <gtest/gtest.h>

#include <vector>

#include "core/collective/shared_block.h"
#include "tests/core/collective/members.h"

namespace manta::collective {
namespace {

struct MailboxTest : ::testing::TestWithParam<Kind> {
  void run(int size, const Body& body) { run_group(GetParam(), size, body); }
};

std::vector<std::byte> filled(std::size_t size, int value) { return std::vector<std::byte>(size, std::byte(value)); }
void send(Group& group, std::size_t size, int value, int to, int tag) { group.send(filled(size, value), to, tag); }
void expect(Group& group, std::size_t size, int value, int from, int tag) {
  std::vector<std::byte> bytes(size);
  group.receive(bytes, from, tag);
  EXPECT_EQ(bytes, filled(size, value)) << size << " bytes, tag " << tag;
}

TEST_P(MailboxTest, MessagesOfAllSizesArriveInOrder) {
  run(2, [](Group& group) {
    int value = 0;
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kFragmentBytes - 1, kFragmentBytes,
                                   kFragmentBytes + 1, 10 * kFragmentBytes + 3, std::size_t{2'000'000}}) {
      ++value;
      if (group.rank() == 0) {
        send(group, size, value, 1, 5);
        expect(group, size, value + 100, 1, 5);
      } else {
        expect(group, size, value, 0, 5);
        send(group, size, value + 100, 0, 5);
      }
    }
  });
}

TEST_P(MailboxTest, TagsAreReceivedInAnyOrder) {
  run(2, [](Group& group) {
    if (group.rank() == 0) {
      for (int tag = 0; tag < 10; ++tag) send(group, 1000 + static_cast<std::size_t>(tag), tag, 1, tag);
      send(group, 500'000, 77, 1, 3);
      send(group, 3, 78, 1, 3);
    } else {
      for (int tag = 9; tag >= 0; --tag) expect(group, 1000 + static_cast<std::size_t>(tag), tag, 0, tag);
      expect(group, 500'000, 77, 0, 3);
      expect(group, 3, 78, 0, 3);
    }
    group.barrier();
  });
}

// MAIL-2: each member sends to all others before it receives.
TEST_P(MailboxTest, AllSendLargeMessagesToEachOtherFirst) {
  run(3, [](Group& group) {
    for (int to = 0; to < 3; ++to) {
      if (to != group.rank()) send(group, 3'000'000, group.rank(), to, 1);
    }
    for (int from = 0; from < 3; ++from) {
      if (from != group.rank()) expect(group, 3'000'000, from, from, 1);
    }
  });
}

TEST_P(MailboxTest, AMessageOfAnotherSizeIsRefusedAndTheNextOneArrives) {
  run(2, [](Group& group) {
    if (group.rank() == 0) {
      send(group, 100'000, 1, 1, 0);
      send(group, 10, 2, 1, 0);
      send(group, 5, 3, 1, 0);
      return group.barrier();
    }
    std::vector<std::byte> ten(10);
    error_of(ErrorCode::invalid_argument, [&] { group.receive(ten, 0, 0); });
    error_of(ErrorCode::invalid_argument, [&] { group.receive(std::span(ten).first(9), 0, 0); });
    expect(group, 5, 3, 0, 0);
    error_of(ErrorCode::invalid_argument, [&] { group.send(ten, 1, 0); });
    error_of(ErrorCode::invalid_argument, [&] { group.send(ten, 2, 0); });
    group.barrier();
  });
}

INSTANTIATE_TEST_SUITE_P(Kinds, MailboxTest, ::testing::ValuesIn(kKinds),
                         [](const auto& chosen) { return std::string(to_string(chosen.param)); });

}  // namespace
}  // namespace manta::collective
