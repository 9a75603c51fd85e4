// Blocks that move between two nodes, by hand: PULL-1 and PULL-2.
#include <gtest/gtest.h>

#include <unistd.h>

#include <atomic>
#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "core/net/shared_memory.h"
#include "core/node/link_mover.h"

namespace manta::node {
namespace {

constexpr NodeId kReader{1}, kSource{2};
constexpr ClientId kClient = client_of(kReader, 1), kHolder = client_of(kSource, 5);

class LinkMoverTest : public testing::Test {
 protected:
  void SetUp() override {
    memory_ = std::move(*store::create_arena_memory(64 << 20));
    arena_ = std::move(*store::Arena::open(Fd(::dup(memory_.get())), 64 << 20, used_, own_));
  }
  owner::StoredLocation block(std::size_t size, int fill) {
    const store::Block made = *arena_->allocate(size);
    std::memset(made.data, fill, size);
    return {kHolder, made.offset, size};
  }
  struct Effects final : LinkMoverEffects {
    Effects(LinkMoverTest& of, NodeId on) : test(of), self(on) {}
    void to_node(NodeId to, const link::Message& m) override { test.wire_.push_back({self, to, m}); }
    int arena(ClientId client) const override { return client == kHolder ? test.memory_.get() : -1; }
    void pulled(ClientId, std::uint64_t id, const std::string& why, int memory) override {
      std::string text = why;
      if (memory >= 0) {
        const auto size = *net::fixed_size_of(memory);
        const std::byte* data = *net::map_memory(memory, size, net::Mapping::shared);
        text = std::to_string(size) + " of " + std::to_string(static_cast<int>(data[size - 1]));
        net::unmap_memory(const_cast<std::byte*>(data), size);
      }
      EXPECT_TRUE(test.pulled_.emplace(id, text).second) << "PULL-1";
    }
    LinkMoverTest& test;
    NodeId self;
  };
  bool deliver_one() {
    if (wire_.empty()) return false;
    const auto [from, to, message] = wire_.front();
    wire_.pop_front();
    LinkMover& at = to == kReader ? reader_ : source_;
    if (const auto* m = std::get_if<link::Pull>(&message)) at.serve(from, m->id, m->location);
    if (const auto* m = std::get_if<link::Chunk>(&message)) at.chunk(from, m->id, m->bytes);
    if (const auto* m = std::get_if<link::PullMore>(&message)) at.more(from, m->id);
    if (const auto* m = std::get_if<link::PullFailed>(&message)) at.failed(from, m->id, m->why);
    std::size_t chunks = 0;
    for (const auto& frame : wire_) chunks += std::holds_alternative<link::Chunk>(frame.message);
    EXPECT_LE(chunks, LinkMover::kWindow * LinkMover::kAtOnce) << "PULL-2";
    return true;
  }

  struct Frame {
    NodeId from, to;
    link::Message message;
  };
  Fd memory_;
  net::StoreCounters used_, own_;
  std::unique_ptr<store::Arena> arena_;
  std::deque<Frame> wire_;
  std::map<std::uint64_t, std::string> pulled_;
  Effects reader_effects_{*this, kReader}, source_effects_{*this, kSource};
  LinkMover reader_{reader_effects_}, source_{source_effects_};
};

TEST_F(LinkMoverTest, BlocksArriveWhole) {
  const std::size_t sizes[] = {1, 70'000, LinkMover::kChunkBytes, LinkMover::kChunkBytes + 1, 9 << 20};
  std::uint64_t id = 0;
  for (const std::size_t size : sizes) {
    ++id;
    reader_.pull(kClient, id, block(size, static_cast<int>(id)));
  }
  while (deliver_one()) {
  }
  id = 0;
  for (const std::size_t size : sizes) {
    ++id;
    EXPECT_EQ(pulled_[id], std::to_string(size) + " of " + std::to_string(id));
  }
}

TEST_F(LinkMoverTest, ManyAtOnceTakeTurns) {
  for (std::uint64_t id = 1; id <= 40; ++id) reader_.pull(kClient, id, block(1 << 20, static_cast<int>(id)));
  while (deliver_one()) {
  }
  for (std::uint64_t id = 1; id <= 40; ++id) EXPECT_EQ(pulled_[id], "1048576 of " + std::to_string(id));
}

TEST_F(LinkMoverTest, UnknownAndOutOfBounds) {
  reader_.pull(kClient, 1, {client_of(kSource, 99), 0, 100});
  reader_.pull(kClient, 2, {kHolder, 1ULL << 60, 100});
  while (deliver_one()) {
  }
  EXPECT_NE(pulled_[1].find("unknown"), std::string::npos) << pulled_[1];
  EXPECT_NE(pulled_[2].find("reference to 100 bytes"), std::string::npos) << pulled_[2];
}

TEST_F(LinkMoverTest, TheOtherNodeDies) {
  reader_.pull(kClient, 1, block(30 << 20, 1));
  for (int i = 0; i < 20; ++i) deliver_one();
  reader_.node_left(kSource, "node 2 (b) was lost");
  EXPECT_EQ(pulled_[1], "it was on node 2 (b) was lost");
  while (deliver_one()) {
  }
  reader_.pull(kClient, 2, {kHolder, 0, 10});
  EXPECT_EQ(pulled_[2], "it was on node 2 (b) was lost");
}

TEST_F(LinkMoverTest, TheReaderDies) {
  reader_.pull(kClient, 1, block(30 << 20, 1));
  for (int i = 0; i < 20; ++i) deliver_one();
  reader_.client_left(kClient);
  EXPECT_EQ(pulled_.size(), 1U);
  while (deliver_one()) {
  }
}

// A node that does not keep to the rules does harm to its own blocks at most.
TEST_F(LinkMoverTest, TooMuchIsSent) {
  reader_.pull(kClient, 1, block(100, 1));
  wire_.clear();
  reader_.chunk(NodeId{3}, 1, std::vector<std::byte>(50));  // not the node that was asked
  reader_.chunk(kSource, 1, std::vector<std::byte>(60));
  reader_.chunk(kSource, 1, std::vector<std::byte>(60));
  EXPECT_EQ(pulled_[1], "its node sent more than it has");
  source_.more(kReader, 77);
  source_.failed(kReader, 77, "");
}

}  // namespace
}  // namespace manta::node
