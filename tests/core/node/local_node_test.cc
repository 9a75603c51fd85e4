#include "core/node/local_node.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/owner/task_types.h"

namespace manta::node {
namespace {

using ::testing::HasSubstr;

constexpr std::uint32_t kActor = owner::kFirstActor;

class LocalNodeTest : public ::testing::Test {
 protected:
  LocalNodeTest() {
    auto pair = net::ControlSocket::pair().value();
    program_ = std::move(pair.first);
    NodeConfig config;
    config.total.cpus = 20'000;
    config.store_capacity_bytes = 1 << 20;
    config.spill_directory = "none";
    node_ = std::make_unique<LocalNode>(std::move(config), std::move(pair.second));
    auto packet = program_.receive().value();
    welcome_ = std::get<net::Welcome>(net::decode_node_message(packet.bytes).value());
    descriptors_ = packet.descriptors.size();
  }
  ~LocalNodeTest() override { program_ = net::ControlSocket(); }  // before the node, which ends then

  void send(const net::ClientMessage& message) { ASSERT_TRUE(program_.send(net::encode(message))); }
  template <class Message>
  Message next() {
    auto packet = program_.receive().value();
    auto message = net::decode_node_message(packet.bytes).value();
    EXPECT_TRUE(std::holds_alternative<Message>(message)) << "message number " << message.index();
    descriptors_ = packet.descriptors.size();
    Message* const wanted = std::get_if<Message>(&message);
    return wanted != nullptr ? std::move(*wanted) : Message();
  }
  // Nothing has come that was not read.
  void expect_no_more() {
    send(net::FindName{77, "none"});
    EXPECT_EQ(next<net::Named>().request, 77u);
  }
  void demand(std::uint32_t shape, std::uint32_t wanted, std::uint64_t group = 0) {
    net::SetDemand message;
    message.shape = shape;
    message.wanted = wanted;
    message.where.bundle.group = group;
    send(message);
  }

  net::ControlSocket program_;
  std::unique_ptr<LocalNode> node_;
  net::Welcome welcome_;
  std::size_t descriptors_ = 0;
};

TEST_F(LocalNodeTest, WelcomesTheProgramAsItsOnlyClient) {
  EXPECT_EQ(welcome_.client, welcome_.driver);
  EXPECT_EQ(welcome_.num_cpus, 2);
  EXPECT_EQ(welcome_.spin_ns, 0);
  ASSERT_EQ(welcome_.nodes.size(), 1u);
  EXPECT_EQ(welcome_.nodes[0].node, node_of(welcome_.client));
  EXPECT_FALSE(welcome_.output_captured);
  EXPECT_EQ(descriptors_, 2u);
  send(net::RequestArena{welcome_.client});
  (void)next<net::ArenaOf>();
  EXPECT_EQ(descriptors_, 1u);
}

TEST_F(LocalNodeTest, GrantsAsManyLeasesAsAreWantedAtOnce) {
  demand(3, 1);
  const auto first = next<net::Granted>();
  EXPECT_EQ(first.shape, 3u);
  demand(3, 2);
  const auto more = next<net::Granted>();
  EXPECT_EQ(more.shape, 3u);
  EXPECT_NE(more.worker, first.worker);
  demand(4, 1);
  const auto second = next<net::Granted>();
  EXPECT_EQ(second.shape, 4u);
  EXPECT_NE(second.worker, first.worker);
  send(net::ReturnLease{first.lease});
  EXPECT_EQ(next<net::Granted>().shape, 3u) << "more than none are wanted";
  demand(4, 0);
  send(net::ReturnLease{second.lease});
  expect_no_more();
}

TEST_F(LocalNodeTest, AnActorsDemandEndsWithItsLease) {
  demand(kActor, 1);
  const auto granted = next<net::Granted>();
  send(net::KillWorker{granted.lease});
  EXPECT_EQ(next<net::LeaseEnded>().lease, granted.lease);
  send(net::KillWorker{granted.lease});
  expect_no_more();
}

TEST_F(LocalNodeTest, ANameBelongsToOneActorUntilItIsDropped) {
  const ObjectId a{1, 1}, b{2, 2};
  send(net::RegisterName{1, "name", a, "T"});
  EXPECT_FALSE(next<net::Named>().found);
  send(net::RegisterName{2, "name", b, "T"});
  const auto taken = next<net::Named>();
  EXPECT_TRUE(taken.found);
  EXPECT_EQ(taken.actor, a);
  send(net::DropName{"name", b});
  send(net::FindName{3, "name"});
  EXPECT_EQ(next<net::Named>().actor, a);
  send(net::DropName{"name", a});
  send(net::FindName{4, "name"});
  const auto gone = next<net::Named>();
  EXPECT_FALSE(gone.found);
  EXPECT_EQ(gone.request, 4u);
}

TEST_F(LocalNodeTest, AGroupThatIsRemovedEndsItsLeasesAndRefusesMore) {
  send(net::CreateGroup{5, {}, 0});
  const auto made = next<net::GroupMade>();
  EXPECT_EQ(made.request, 5u);
  demand(1, 1, made.group);
  const auto granted = next<net::Granted>();
  send(net::RemoveGroup{made.group});
  EXPECT_EQ(next<net::LeaseEnded>().lease, granted.lease);
  EXPECT_THAT(next<net::Infeasible>().why, HasSubstr("group was removed"));
  demand(2, 1, made.group);
  EXPECT_EQ(next<net::Infeasible>().shape, 2u);
}

TEST_F(LocalNodeTest, HasNoOthersThatCouldSpill) {
  send(net::NeedSpace{9, 1000});
  const auto answer = next<net::SpaceMade>();
  EXPECT_EQ(answer.number, 9u);
  EXPECT_EQ(answer.bytes, 0u);
}

TEST_F(LocalNodeTest, EndsTheConnectionAtAShutdown) {
  send(net::Shutdown{});
  EXPECT_FALSE(program_.receive());
}

}  // namespace
}  // namespace manta::node
