// Links of a FakeProcess, and workers at their other ends: one of this node by a ring, those of others by messages.
#pragma once

#include <cstring>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "core/client/links.h"
#include "core/client/task_codec.h"
#include "core/net/shared_memory.h"
#include "tests/core/client/fake_process.h"

namespace manta::client {

inline constexpr LeaseId kLease{11}, kSecondLease{12};
inline constexpr std::uint32_t kWorkerSlot = 3;

class LinkFixture : public FakeProcess, protected LinkContext {
 protected:
  LinkFixture() : links_(state, node, *this) {
    effects.link = [this](ClientId worker) { return links_.to(worker); };
  }
  ~LinkFixture() override {
    locked([&] { links_.clear(); });
  }

  // --- LinkContext
  Result<store::Block> allocate_to_push(std::uint64_t size_bytes) override {
    if (!space_) return fail(ErrorCode::exhausted, "full");
    auto& block = blocks_[next_block_];
    block.resize(size_bytes);
    return store::Block{next_block_++, size_bytes, block.data()};
  }
  void free_block(std::uint64_t offset) override { blocks_.erase(offset); }
  const std::byte* bytes_at(std::uint64_t offset) override { return blocks_.at(offset).data(); }
  std::shared_ptr<const store::ArenaView> arena_of(ClientId) override { return nullptr; }
  void arena_arrived(ClientId process, Fd memory) override {
    if (memory) arenas_.push_back(process);
  }
  detail::WireRef wire_ref(owner::Entry& entry) override { return {entry.id, kSelf}; }
  void send_to_peer(ClientId to, const net::PeerPacket& packet) override { node.send_to_peer(to, packet); }

  // A ring to the worker, and the worker's end of it.
  std::vector<Fd> ring() {
    Fd fd = net::create_shared_memory("test-ring", net::RingMemory::bytes()).value();
    memory_.reset(net::RingMemory::create(fd.get()).value());
    worker_ = net::RingWorker(*memory_, state.slot.replies, net::group_of(kWorker));
    std::vector<Fd> descriptors;
    descriptors.push_back(std::move(fd));
    descriptors.push_back(net::create_shared_memory("test-arena", 4096).value());
    return descriptors;
  }
  void grant() {
    auto descriptors = ring();
    locked([&] { links_.granted({kLease, kWorker, shape, kWorkerSlot, true}, descriptors); });
  }
  void grant_far(LeaseId lease, ClientId worker) {
    std::vector<Fd> none;
    locked([&] { links_.granted({lease, worker, shape, 0, false}, none); });
  }
  static void answer(net::Record& record, std::string_view text) {
    record.kind = net::PayloadKind::bytes;
    record.flags = 0;
    record.size_bytes = static_cast<std::uint32_t>(text.size());
    std::memcpy(record.payload, text.data(), text.size());
  }
  bool drain() {
    return locked([&] { return links_.drain(); });
  }
  bool prepare_sleep() {
    return locked([&] { return links_.prepare_sleep(); });
  }
  static net::TaskDone done(std::uint64_t position, std::string_view text) {
    ReplyParts parts;
    parts.value = reply_value(bytes_of(text));
    return {position, encode(parts)};
  }
  // What runs there, as far as is known here.
  std::vector<owner::Entry*> running(ClientId worker) {
    std::vector<owner::Entry*> entries;
    locked([&] { links_.to(worker)->running(entries); });
    return entries;
  }
  // The numbers of the tasks that a worker of another node was sent.
  std::vector<std::uint64_t> run_in(ClientId worker) {
    std::vector<std::uint64_t> numbers;
    for (const net::RunTask& run : node.sent_to<net::RunTask>(worker)) numbers.push_back(run.task.low);
    return numbers;
  }

  struct Unmap {
    void operator()(net::RingMemory* memory) const { net::RingMemory::unmap(memory); }
  };
  std::unique_ptr<net::RingMemory, Unmap> memory_;
  net::RingWorker worker_;
  bool space_ = true;
  std::uint64_t next_block_ = 64;
  std::map<std::uint64_t, std::vector<std::byte>> blocks_;
  std::vector<ClientId> arenas_;
  Links links_;
};

}  // namespace manta::client
