// What other nodes send is checked before it is believed.
#include <gtest/gtest.h>

#include <random>

#include "core/net/packed.h"
#include "core/node/link_messages.h"
#include "core/node/node_config.h"
#include "core/node/spawner.h"

namespace manta::node::link {
namespace {

using Bytes = std::vector<std::byte>;

Bytes some(std::size_t n) { return Bytes(n, std::byte{42}); }

std::vector<Message> messages() {
  const ClientId client = client_of(NodeId{3}, 7);
  return {FromClient{client, some(10)},
          ForClient{client, some(5000)},
          Peer{client, client, {}},
          ArenaUnused{client},
          Pull{9, {client, 64, 1 << 20}},
          Chunk{9, some(100'000)},
          PullMore{9},
          PullFailed{9, "why"},
          Settle{client, 2},
          Settled{client, 2},
          ReserveBundle{{5, 1}, 3, {}},
          ReleaseBundle{{5, 1}, "why"},
          BundleReserved{{5, 1}, 3},
          GroupAt{5, {NodeId{2}, NodeId{3}}},
          GroupGone{5}};
}

std::vector<Membership> memberships() {
  const ClientId client = client_of(NodeId{2}, 7);
  return {Join{"host", {}, 42},
          Joined{NodeId{2}, client_of(NodeId{1}, 1), {{NodeId{1}, "host", {}}}, {{NodeId{1}, {}, {}}}},
          NodeUp{{NodeId{3}, "host", {}}},
          NodeDown{NodeId{3}, "why"},
          ClientUp{client},
          ClientDown{client, "why"},
          View{NodeId{2}, {}, {{client, 1, 2}}},
          AskClock{17},
          ClockIs{17, -5}};
}

TEST(LinkMessages, RoundTrip) {
  for (const Message& message : messages()) {
    const Bytes bytes = encode(NodeId{2}, NodeId{3}, message);
    const auto relayed = decode_relayed(bytes);
    ASSERT_TRUE(relayed);
    EXPECT_EQ(relayed->from, NodeId{2});
    EXPECT_EQ(relayed->to, NodeId{3});
    const auto again = decode_message(relayed->message);
    ASSERT_TRUE(again) << again.error().what();
    EXPECT_EQ(again->index(), message.index());
    EXPECT_EQ(encode(NodeId{2}, NodeId{3}, *again), bytes);
  }
  EXPECT_EQ(messages().size(), std::variant_size_v<Message>);
}

TEST(LinkMessages, MembershipMakesTheRoundTrip) {
  std::size_t index = 0;
  for (const Membership& message : memberships()) {
    EXPECT_EQ(message.index(), index++);
    const Bytes bytes = encode(message);
    const auto again = decode_membership(bytes);
    ASSERT_TRUE(again) << again.error().what();
    EXPECT_EQ(again->index(), message.index());
    EXPECT_EQ(encode(*again), bytes);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(decode_membership(std::span(bytes).first(size))) << "cut after " << size;
    }
  }
  EXPECT_EQ(index, std::variant_size_v<Membership>);
}

// Strings of 4 KiB and more go out of band.
TEST(Packed, LongStringsArriveToo) {
  for (const std::size_t size : {0, 100, 4095, 4096, 5000, 1'000'000}) {
    NodeConfig config;
    config.spill_directory = std::string(size, 'd');
    config.gpu_names = {std::string(size, 'g'), "1"};
    config.secret = "after";
    const auto again = net::unpack<NodeConfig>(net::pack(config));
    EXPECT_EQ(again.spill_directory, config.spill_directory);
    EXPECT_EQ(again.gpu_names, config.gpu_names);
    EXPECT_EQ(again.secret, config.secret);
    const WorkerStart start{"0", 17, std::string(size, 'e')};
    EXPECT_EQ(net::unpack<WorkerStart>(net::pack(start)).env, start.env);
  }
  EXPECT_THROW((void)net::unpack<WorkerStart>({}), Error);
}

TEST(LinkMessages, DamagedOnesAreRefusedOrHarmless) {
  std::mt19937 random(7);
  for (const Message& message : messages()) {
    const Bytes bytes = encode(NodeId{2}, NodeId{3}, message);
    for (std::size_t n = 0; n < bytes.size(); n += 1 + bytes.size() / 100) {
      Bytes cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
      if (const auto relayed = decode_relayed(cut)) (void)decode_message(relayed->message);
    }
    for (int i = 0; i < 300; ++i) {
      Bytes damaged = bytes;
      for (int k = 0; k < 3; ++k) damaged[random() % std::min<std::size_t>(damaged.size(), 64)] = std::byte(random());
      if (const auto relayed = decode_relayed(damaged)) (void)decode_message(relayed->message);
      (void)decode_membership(damaged);
    }
  }
  for (int i = 0; i < 2000; ++i) {
    Bytes noise(random() % 200);
    for (auto& b : noise) b = static_cast<std::byte>(random() % (i % 2 == 0 ? 4 : 256));
    (void)decode_membership(noise);
    (void)decode_message(noise);
  }
}

}  // namespace
}  // namespace manta::node::link
