#include "core/client/node_connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "core/net/shared_memory.h"
#include "tests/core/client/fake_process.h"

namespace manta::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ConnectTest : public ::testing::Test, protected NodeReceiver {
 protected:
  ConnectTest() {
    auto [node, client] = net::ControlSocket::pair().value();
    node_ = std::move(node);
    connection_.emplace(std::move(client));
  }
  void TearDown() override {
    connection_.reset();  // before what it calls
    if (page_ != nullptr) net::unmap_memory(page_, sizeof(net::NodePage));
  }

  // --- NodeReceiver
  void receive(net::NodeMessage message, std::vector<Fd>& descriptors) override {
    const MutexLock guard(mutex_);
    std::string line = std::to_string(message.index()) + " with " + std::to_string(descriptors.size());
    if (const auto* ended = std::get_if<net::LeaseEnded>(&message)) line = ended->status;
    lines_.push_back(line);
  }
  void connection_ended() override {
    const MutexLock guard(mutex_);
    lines_.emplace_back("ended");
  }

  void say(const net::NodeMessage& message, const std::vector<int>& descriptors = {}) {
    ASSERT_TRUE(node_.send(net::encode(message), descriptors));
  }
  net::Welcome welcome() {
    net::Welcome made;
    made.client = kSelf;
    made.slot = 3;
    made.host = "here";
    return made;
  }
  // With the page and an arena.
  void say_welcome(const net::Welcome& message, std::uint64_t magic = net::NodePage::kMagic) {
    Fd memory = net::create_shared_memory("test-page", sizeof(net::NodePage)).value();
    page_ = reinterpret_cast<net::NodePage*>(
        net::map_memory(memory.get(), sizeof(net::NodePage), net::Mapping::shared).value());
    page_->magic = magic;
    const Fd arena = net::create_shared_memory("test-arena", 4096).value();
    say(message, {memory.get(), arena.get()});
  }
  Error refusal() {
    return error_of([&] { connection_->open(); });
  }
  std::vector<std::string> lines() {
    const MutexLock guard(mutex_);
    return lines_;
  }
  template <class Message>
  Message next() {
    net::ClientMessage message = net::decode_client_message(node_.receive().value().bytes).value();
    return std::get<Message>(std::move(message));
  }

  net::ControlSocket node_;
  net::NodePage* page_ = nullptr;
  std::optional<NodeConnection> connection_;
  Mutex mutex_;
  std::vector<std::string> lines_ MANTA_GUARDED_BY(mutex_);
};

// --- the first message

TEST_F(ConnectTest, AWelcomeOpensThePageOfTheNode) {
  say_welcome(welcome());
  NodeConnection::Opened opened = connection_->open();
  EXPECT_EQ(opened.welcome.client, kSelf);
  EXPECT_EQ(opened.welcome.host, "here");
  EXPECT_TRUE(opened.arena);
  ASSERT_NE(opened.page, nullptr);
  EXPECT_NE(opened.page, page_) << "a mapping of its own";
  opened.page->slots[3].replies.wake();
  EXPECT_EQ(page_->slots[3].replies.rings, 1U) << "of the same memory";
}

TEST_F(ConnectTest, ANodeThatCannotStartSaysWhy) {
  say(net::CannotStart{static_cast<std::uint8_t>(ErrorCode::exhausted), "no memory is left"});
  const Error error = refusal();
  EXPECT_EQ(error.code(), ErrorCode::exhausted);
  EXPECT_EQ(error.message(), "the node process cannot start: no memory is left");
}

TEST_F(ConnectTest, ANodeThatEndsBeforeItsWelcomeIsUnavailable) {
  node_ = {};
  EXPECT_EQ(refusal().code(), ErrorCode::unavailable);
}

TEST_F(ConnectTest, AnythingElseIsNoWelcome) {
  say(net::NodeMessage(net::Named{}));
  EXPECT_THAT(refusal().message(), HasSubstr("not a welcome"));
  say(welcome());
  EXPECT_THAT(refusal().message(), HasSubstr("not a welcome")) << "without descriptors";
  const std::byte rubbish[] = {std::byte{99}, std::byte{1}};
  ASSERT_TRUE(node_.send(rubbish));
  EXPECT_EQ(refusal().code(), ErrorCode::invalid_argument);
}

TEST_F(ConnectTest, APageOfAnotherVersionIsRefused) {
  say_welcome(welcome(), net::NodePage::kMagic + 1);
  const Error error = refusal();
  EXPECT_EQ(error.code(), ErrorCode::internal);
  EXPECT_THAT(error.message(), HasSubstr("another version"));
}

TEST_F(ConnectTest, APlaceBeyondThePageIsRefused) {
  net::Welcome beyond = welcome();
  beyond.slot = net::NodePage::kSlots;
  say_welcome(beyond);
  EXPECT_EQ(refusal().code(), ErrorCode::internal);
}

// --- what follows

TEST_F(ConnectTest, MessagesReachTheReceiverInOrderAndThenTheEnd) {
  say_welcome(welcome());
  (void)connection_->open();
  say(net::LeaseEnded{LeaseId{1}, "one"});  // before it reads
  connection_->read(*this);
  for (const char* text : {"two", "three"}) say(net::LeaseEnded{LeaseId{1}, text});
  const Fd memory = net::create_shared_memory("test-memory", 4096).value();
  say(net::ArenaOf{kWorker}, {memory.get()});
  const std::string arena = std::to_string(net::NodeMessage(net::ArenaOf{}).index()) + " with 1";
  EXPECT_TRUE(comes_true([&] { return lines().size() == 4; }));
  EXPECT_THAT(lines(), ElementsAre("one", "two", "three", arena));
  node_ = {};
  EXPECT_TRUE(comes_true([&] { return lines().size() == 5; }));
  EXPECT_TRUE(connection_->stop_reading());
  EXPECT_THAT(lines(), ElementsAre("one", "two", "three", arena, "ended"));
}

TEST_F(ConnectTest, StopReadingEndsTheConnectionOnce) {
  EXPECT_FALSE(connection_->stop_reading()) << "it does not read";
  connection_->read(*this);
  EXPECT_TRUE(connection_->stop_reading());
  EXPECT_THAT(lines(), ElementsAre("ended"));
  EXPECT_FALSE(connection_->stop_reading());
  EXPECT_FALSE(node_.receive()) << "the node sees the end";
  EXPECT_THAT(lines(), ElementsAre("ended"));
}

TEST_F(ConnectTest, ItsEndStopsTheReadingToo) {
  connection_->read(*this);
  connection_.reset();
  EXPECT_THAT(lines(), ElementsAre("ended"));
}

TEST_F(ConnectTest, AMessageThatMakesNoSenseEndsTheReading) {
  connection_->read(*this);
  const std::byte rubbish[] = {std::byte{99}, std::byte{1}};
  ASSERT_TRUE(node_.send(rubbish));
  EXPECT_TRUE(comes_true([&] { return !lines().empty(); }));
  EXPECT_THAT(lines(), ElementsAre("ended"));
}

TEST_F(ConnectTest, MessagesReachTheNodeInOrder) {
  connection_->send(net::Hello{7});
  ASSERT_TRUE(connection_->try_send(net::RemoveGroup{8}));
  connection_->send_to_peer(kOther, net::WorkerBlocked{true});
  connection_->flush(std::chrono::steady_clock::now() + kPatience);
  connection_->wait_for_space();
  EXPECT_EQ(next<net::Hello>().process, 7);
  EXPECT_EQ(next<net::RemoveGroup>().group, 8U);
  const auto to_peer = next<net::ToPeer>();
  EXPECT_EQ(to_peer.client, kOther);
  const net::PeerPacket packet = net::decode_peer_packet(to_peer.message).value();
  EXPECT_TRUE(std::get<net::WorkerBlocked>(packet).blocked);
}

TEST_F(ConnectTest, OUTBOX1_WhatTheSocketDoesNotTakeIsSentLater) {
  const net::MadeSpace message{1, 2};
  constexpr std::uint64_t kMany = 50'000;  // more than the socket's buffer holds
  for (std::uint64_t n = 0; n < kMany; ++n) connection_->send(net::MadeSpace{n, 0});
  for (std::uint64_t n = 0; n < kMany; ++n) ASSERT_EQ(next<net::MadeSpace>().id, n);
  connection_->send(message);
  EXPECT_EQ(next<net::MadeSpace>().bytes, 2U);
}

TEST_F(ConnectTest, AfterTheNodesEndMessagesAreDropped) {
  connection_->close();
  connection_->send(net::Hello{7});
  EXPECT_EQ(connection_->try_send(net::Hello{7}).error().code(), ErrorCode::unavailable);
  connection_->flush(std::chrono::steady_clock::now() + kPatience);  // nothing waits
  connection_->wait_for_space();
}

}  // namespace
}  // namespace manta::client
