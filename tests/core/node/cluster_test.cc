// The head's node and its links, with peers that speak the format and say what they like (CLUSTER-1 to CLUSTER-3).
#include <gtest/gtest.h>

#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/base/program.h"
#include "core/node/cluster.h"

namespace manta::node {
namespace {

using namespace std::chrono_literals;
using Bytes = std::vector<std::byte>;

const std::string kSecret(64, '7');

class Recorded : public ClusterEvents {
 public:
  void node_up(const net::NodeOfCluster& node) override { up.push_back(node.node); }
  void node_down(NodeId, const std::string& status) override { down.push_back(status); }
  void client_up(ClientId) override {}
  void client_down(ClientId, const std::string&) override {}
  void view_changed(const link::View&) override { ++views; }
  void clock_is(const link::ClockIs&) override {}
  void message(NodeId, link::Message) override {
    ++messages;
    if (throws) throw std::length_error("vector::_M_default_append");
  }
  void head_gone(bool, const std::string&) override {}
  std::vector<NodeId> up;
  std::vector<std::string> down;
  int views = 0, messages = 0;
  bool throws = false;
};

// A node that has the secret.
struct Peer {
  std::shared_ptr<net::TlsLink> link;
  std::optional<net::TlsLink::End> end;
  NodeId id;
  std::size_t frames = 0;
  std::size_t queued = 0;

  void tell(const link::Membership& m) { ASSERT_TRUE(link->send(link::kMembershipFrame, link::encode(m))); }
  void say(NodeId to, const link::Message& m) { ASSERT_TRUE(link->send(link::kRelayedFrame, link::encode(id, to, m))); }
};

class ClusterTest : public testing::Test {
 protected:
  void SetUp() override {
    NodeConfig config;
    config.listen = "127.0.0.1:0";
    config.secret = kSecret;
    config.total.cpus = 10'000;
    cluster_ = Cluster::listen(io_, config, events_, pressure_, "head", client_of(Cluster::kHead, 1));
    cluster_->start();
  }
  template <class Done>
  bool run_until(Done done, std::chrono::milliseconds limit = 20s) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      io_.run_one_for(10ms);
      io_.restart();
    }
    return true;
  }
  std::unique_ptr<Peer> connect() {
    auto peer = std::make_unique<Peer>();
    const auto address = *net::split_address(cluster_->address());
    std::optional<Result<std::shared_ptr<net::TlsLink>>> made;
    net::TlsLink::connect(io_, *context_, address.first, address.second, {},
                          [&](Result<std::shared_ptr<net::TlsLink>> link) { made = std::move(link); });
    EXPECT_TRUE(run_until([&] { return made.has_value(); }));
    peer->link = made->value();
    peer->link->start(
        [p = peer.get()](std::uint8_t kind, Bytes bytes) {
          ++p->frames;
          if (kind != link::kMembershipFrame) return;
          const auto message = link::decode_membership(bytes);
          if (const auto* joined = message ? std::get_if<link::Joined>(&*message) : nullptr) p->id = joined->node;
        },
        [p = peer.get()](const net::TlsLink::End& how) { p->end = how; },
        [p = peer.get()](std::size_t bytes) { p->queued = bytes; });
    return peer;
  }
  std::unique_ptr<Peer> join() {
    auto peer = connect();
    peer->tell(link::Join{"host", resources(), program_id()});
    EXPECT_TRUE(run_until([&] { return bool{peer->id}; }));
    return peer;
  }
  static net::WireResources resources() {
    net::WireResources total;
    total.cpus = 20'000;
    total.named = {{"b", 10'000}, {"a", 10'000}};
    return total;
  }

  boost::asio::io_context io_;
  Recorded events_;
  BackPressure pressure_{io_};
  std::unique_ptr<boost::asio::ssl::context> context_ = net::make_psk_context(net::derive_key(kSecret, "node"));
  std::unique_ptr<Cluster> cluster_;
};

TEST_F(ClusterTest, AJoinOfAbsurdResourcesIsRefusedWithTheReason) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max(),
                         kMin = std::numeric_limits<std::int64_t>::min();
  std::vector<std::pair<net::WireResources, std::string>> absurd;
  const auto with = [&](auto change, const std::string& why) {
    net::WireResources total = resources();
    change(total);
    absurd.emplace_back(total, why);
  };
  for (const std::int64_t units : {std::int64_t{-1}, kMin, kMax, std::int64_t{4097} * 10'000}) {
    with([&](auto& total) { total.gpus = units; }, "GPUs");
  }
  for (const std::int64_t units : {std::int64_t{-10'000}, kMin, kMax}) {
    with([&](auto& total) { total.cpus = units; }, "CPUs");
    with([&](auto& total) { total.named[0].second = units; }, "resource b");
  }
  with([](auto& total) { total.memory_bytes = ~std::uint64_t{0}; }, "memory");
  with([](auto& total) { total.named[1].first = "b"; }, "named twice");
  with([](auto& total) { total.named[1].first = ""; }, "without a name");
  for (const auto& [total, why] : absurd) {
    auto peer = connect();
    peer->tell(link::Join{"host", total, program_id()});
    ASSERT_TRUE(run_until([&] { return peer->end.has_value(); }));
    EXPECT_TRUE(peer->end->orderly);
    EXPECT_NE(peer->end->why.find("refused"), std::string::npos) << peer->end->why;
    EXPECT_NE(peer->end->why.find(why), std::string::npos) << peer->end->why;
  }
  auto long_name = connect();
  long_name->tell(link::Join{std::string(2000, 'h'), resources(), program_id()});
  ASSERT_TRUE(run_until([&] { return long_name->end.has_value(); }));
  EXPECT_TRUE(events_.up.empty());
  (void)join();
  EXPECT_EQ(events_.up.size(), 1U);
}

TEST_F(ClusterTest, OtherProgramsAreRefusedAlsoWithoutABuildId) {
  for (const std::uint64_t program : {std::uint64_t{0}, program_id() + 1}) {
    auto peer = connect();
    peer->tell(link::Join{"host", resources(), program});
    ASSERT_TRUE(run_until([&] { return peer->end.has_value(); }));
    EXPECT_NE(peer->end->why.find("another program"), std::string::npos) << peer->end->why;
  }
  EXPECT_NE(program_id(), 0U);
}

TEST_F(ClusterTest, AMemberThatSaysWhatCannotBeLeaves) {
  auto viewer = join();
  link::View view{viewer->id, resources(), {}};
  viewer->tell(view);
  ASSERT_TRUE(run_until([&] { return events_.views == 1; }));
  view.available.cpus = std::numeric_limits<std::int64_t>::min();  // a little below 0 is possible: released CPUs
  viewer->tell(view);
  ASSERT_TRUE(run_until([&] { return viewer->end.has_value(); }));
  EXPECT_NE(viewer->end->why.find("CPUs"), std::string::npos) << viewer->end->why;

  auto reserver = join();
  net::WireResources request = resources();
  request.gpus = std::numeric_limits<std::int64_t>::min();
  reserver->say(Cluster::kHead, link::ReserveBundle{{1, 0}, 1, request});
  ASSERT_TRUE(run_until([&] { return reserver->end.has_value(); }));
  EXPECT_NE(reserver->end->why.find("GPUs"), std::string::npos) << reserver->end->why;
  EXPECT_EQ(events_.messages, 0);

  auto thrower = join();
  events_.throws = true;
  thrower->say(Cluster::kHead, link::PullMore{7});
  ASSERT_TRUE(run_until([&] { return thrower->end.has_value(); })) << "what acts on it throws";
  ASSERT_TRUE(run_until([&] { return events_.down.size() == 3; }));
  EXPECT_EQ(events_.views, 1);
}

// One message may be longer than a frame, and what a node does not read makes those wait that send it.
TEST_F(ClusterTest, ANodeThatDoesNotReadMakesSendersWaitAndLosesNothing) {
  auto sender = join(), reader = join();
  reader->link->pause();
  const std::size_t before = reader->frames;
  constexpr std::size_t kMessages = 60, kBytes = 3 << 20;
  for (std::size_t i = 0; i < kMessages; ++i) {
    sender->say(reader->id, link::Chunk{i, Bytes(kBytes)});
  }
  // Until the head reads no more: what is left with the sender does not change for a while.
  std::size_t left = 0;
  ASSERT_TRUE(run_until([&] {
    left = sender->queued;
    return !run_until([&] { return sender->queued != left; }, 500ms);
  }));
  EXPECT_GT(left, 60U << 20);
  EXPECT_FALSE(sender->end || reader->end);
  sender->tell(link::View{sender->id, resources(), {}});
  reader->link->resume();
  ASSERT_TRUE(
      run_until([&] { return reader->frames >= before + kMessages; }, 120s));  // 20 s do where nothing else runs
  ASSERT_TRUE(run_until([&] { return events_.views == 1; }));
  EXPECT_TRUE(events_.down.empty());
}

}  // namespace
}  // namespace manta::node
