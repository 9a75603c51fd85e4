#include "core/node/head_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/overloaded.h"

namespace manta::node {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using Time = HeadService::Time;

constexpr NodeId kHere{1}, kThere{2};
constexpr ClientId kDriver = client_of(kHere, 1), kWorker = client_of(kThere, 3);

net::NodeOfCluster node(NodeId id) {
  net::NodeOfCluster made;
  made.node = id;
  made.host = "host" + std::to_string(id.value);
  made.total.cpus = 20'000;
  return made;
}

std::string text(NodeId id) { return "node " + std::to_string(id.value) + ": "; }

// The head of two nodes, and what it says, one line each.
class Recorded final : HeadContext {
 public:
  Recorded() {
    head.node_joined(node(kHere), Time(0));
    head.client_joined(kDriver, head::ClientKind::driver, Time(0));
    head.node_joined(node(kThere), Time(0));
    head.client_joined(kWorker, head::ClientKind::worker, Time(0));
  }
  std::vector<std::string> log() { return std::exchange(lines_, {}); }

  HeadService head{kHere, *this};
  std::vector<std::pair<NodeId, link::BundleReserved>> reserved;  // what the nodes were asked for

 private:
  void to_member(NodeId to, const link::Membership& message) override {
    std::visit(Overloaded{
                   [&](const link::ClientDown& m) { add(to, "client " + std::to_string(m.client.value) + " is dead"); },
                   [&](const link::NodeDown& m) { add(to, "node " + std::to_string(m.node.value) + " is dead"); },
                   [&](const auto&) { add(to, "another membership message"); },
               },
               message);
  }
  void to_member(NodeId to, const link::Message& message) override {
    std::visit(Overloaded{
                   [&](const link::ReserveBundle& m) {
                     reserved.push_back({to, {m.bundle, m.attempt}});
                     add(to, "reserve " + std::to_string(m.bundle.index));
                   },
                   [&](const link::ReleaseBundle& m) { add(to, "release " + std::to_string(m.bundle.index)); },
                   [&](const link::GroupAt& m) {
                     std::string at = "group at";
                     for (const NodeId place : m.nodes) at += " " + std::to_string(place.value);
                     add(to, at);
                   },
                   [&](const link::GroupGone&) { add(to, "group gone"); },
                   [&](const auto&) { add(to, "another message"); },
               },
               message);
  }
  void to_client(ClientId, const net::NodeMessage& message) override {
    if (const auto* named = std::get_if<net::Named>(&message)) lines_.push_back(named->found ? "found" : "free");
    if (const auto* made = std::get_if<net::GroupMade>(&message))
      lines_.push_back(made->group != 0 ? "made" : made->why);
  }
  void end_job(ClientId) override { lines_.push_back("the job ends"); }
  void add(NodeId to, const std::string& what) { lines_.push_back(text(to) + what); }

  std::vector<std::string> lines_;
};

TEST(HeadService, ANameBelongsToTheFirstActorUntilItIsDropped) {
  Recorded r;
  const net::RegisterName first{1, "counter", {0, 7}, "Counter"};
  r.head.request(kWorker, first, Time(1));
  r.head.request(kDriver, net::RegisterName{2, "counter", {0, 8}, "Counter"}, Time(1));
  r.head.request(kDriver, net::FindName{3, "counter"}, Time(1));
  EXPECT_THAT(r.log(), ElementsAre("free", "found", "found"));
  r.head.request(kWorker, net::DropName{"counter", {0, 7}}, Time(2));
  r.head.request(kDriver, net::FindName{4, "counter"}, Time(2));
  EXPECT_THAT(r.log(), ElementsAre("free"));
}

TEST(HeadService, ADeathIsAnnouncedToAllNodesItsOwnToo) {
  Recorded r;
  r.head.client_left(kWorker, "was killed", Time(1));
  const std::string dead = "client " + std::to_string(kWorker.value) + " is dead";
  EXPECT_THAT(r.log(), ElementsAre(text(kHere) + dead, text(kThere) + dead));
  r.head.client_left(kWorker, "was killed", Time(2));
  EXPECT_THAT(r.log(), IsEmpty());
}

TEST(HeadService, ANodesProcessesDieBeforeTheNode) {
  Recorded r;
  r.head.node_left(kThere, "was lost", Time(1));
  EXPECT_THAT(r.log(), ElementsAre(text(kHere) + "client " + std::to_string(kWorker.value) + " is dead",
                                   text(kHere) + "node 2 is dead"));
}

TEST(HeadService, TheJobEndsWithItsDriver) {
  Recorded r;
  r.head.client_left(kDriver, "exited", Time(1));
  EXPECT_THAT(r.log(), ::testing::Contains("the job ends"));
}

TEST(HeadService, AGroupIsPlacedOnceAllItsBundlesAreReserved) {
  Recorded r;
  net::WireResources cpu;
  cpu.cpus = 10'000;
  const auto spread = static_cast<std::uint8_t>(GroupStrategy::strict_spread);
  r.head.request(kDriver, net::CreateGroup{1, {cpu, cpu}, spread}, Time(1));
  (void)r.head.tick(Time(1));
  EXPECT_THAT(r.log(), UnorderedElementsAre("made", text(kHere) + "group at 0 0", text(kThere) + "group at 0 0",
                                            text(kHere) + "reserve 0", text(kThere) + "reserve 1"));
  ASSERT_EQ(r.reserved.size(), 2U);
  r.head.bundle_reserved(r.reserved[0].first, r.reserved[0].second, Time(2));
  EXPECT_THAT(r.log(), IsEmpty()) << "GROUP-1";
  r.head.bundle_reserved(r.reserved[1].first, r.reserved[1].second, Time(2));
  EXPECT_THAT(r.log(), ElementsAre(text(kHere) + "group at 1 2", text(kThere) + "group at 1 2"));
}

TEST(HeadService, AGroupGoesWithTheProcessThatMadeIt) {
  Recorded r;
  net::WireResources cpu;
  cpu.cpus = 10'000;
  const auto pack = static_cast<std::uint8_t>(GroupStrategy::strict_pack);
  r.head.request(kWorker, net::CreateGroup{1, {cpu}, pack}, Time(1));
  (void)r.head.tick(Time(1));
  (void)r.log();
  r.head.client_left(kWorker, "was killed", Time(2));
  const std::vector<std::string> lines = r.log();
  EXPECT_THAT(lines, ::testing::Contains(text(kHere) + "group gone"));
  EXPECT_THAT(lines, ::testing::Contains(text(kThere) + "group gone"));
}

TEST(HeadService, AGroupWithoutBundlesIsRefused) {
  Recorded r;
  r.head.request(kDriver, net::CreateGroup{1, {}, 0}, Time(1));
  EXPECT_THAT(r.log(), ElementsAre("a placement group has from 1 to 10000 bundles, this one 0"));
}

}  // namespace
}  // namespace manta::node
