#include "core/collective/mailbox.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace manta::collective {

namespace {

Error wrong_size(int from, int tag, std::uint64_t came, std::size_t expected) {
  return Error(ErrorCode::invalid_argument, "collective group: rank " + std::to_string(from) + " sent " +
                                                std::to_string(came) + " bytes with tag " + std::to_string(tag) +
                                                "; receive() was given " + std::to_string(expected));
}

}  // namespace

Mailbox::Mailbox(Member& member) : member_(member), peers_(static_cast<std::size_t>(member.size())) {}

void Mailbox::start(Transfer& transfer) {
  member_.require_usable();
  if (transfer.peer < 0 || transfer.peer >= member_.size() || transfer.peer == member_.rank()) {
    throw Error(ErrorCode::invalid_argument, "collective group: rank " + std::to_string(member_.rank()) + " of " +
                                                 std::to_string(member_.size()) + " cannot send to or receive from " +
                                                 std::to_string(transfer.peer));
  }
  member_.set_current({.operation = transfer.sends ? Operation::send : Operation::receive,
                       .root = transfer.peer,
                       .bytes = transfer.sends ? transfer.out.size() : transfer.in.size()});
  Peer& peer = peers_[static_cast<std::size_t>(transfer.peer)];
  (transfer.sends ? peer.sending : peer.receiving).push_back(&transfer);
  if (!transfer.sends) take_early(transfer.peer, peer);
}

void Mailbox::finish(Transfer& transfer) {
  member_.wait(
      [&] {
        if (!transfer.complete) progress();
        return transfer.complete;
      },
      [&](int peer) { return peer == transfer.peer; });
  if (transfer.error) throw *transfer.error;
}

void Mailbox::await_transfers(const std::atomic<bool>& woken) {
  member_.wait([&] { return progress() || woken.load(std::memory_order_seq_cst); },
               [&](int peer) { return concerns(peer); });
}

bool Mailbox::progress() {
  bool moved = false;
  for (int rank = 0; rank < member_.size(); ++rank) {
    if (rank == member_.rank()) continue;
    Peer& peer = peers_[static_cast<std::size_t>(rank)];
    if (!peer.sending.empty()) moved |= push(rank, peer);
    moved |= pull(rank, peer);
  }
  return moved;
}

bool Mailbox::concerns(int rank) const {
  const Peer& peer = peers_[static_cast<std::size_t>(rank)];
  return !peer.sending.empty() || !peer.receiving.empty();
}

bool Mailbox::push(int to, Peer& peer) {
  Channel& channel = member_.channel(member_.rank(), to);
  bool moved = false;
  std::uint64_t pushed = channel.pushed.load(std::memory_order_relaxed);
  while (!peer.sending.empty() && pushed - channel.taken.load(std::memory_order_seq_cst) < kFragments) {
    Transfer& transfer = *peer.sending.front();
    Channel::Fragment& fragment = channel.fragments[pushed % kFragments];
    const std::size_t bytes = std::min(kFragmentBytes, transfer.out.size() - transfer.done_bytes);
    fragment.message_bytes = transfer.out.size();
    fragment.tag = transfer.tag;
    fragment.bytes = static_cast<std::uint32_t>(bytes);
    if (bytes > 0) std::memcpy(fragment.data, transfer.out.data() + transfer.done_bytes, bytes);
    channel.pushed.exchange(++pushed, std::memory_order_seq_cst);
    member_.ring(to);
    moved = true;
    transfer.done_bytes += bytes;
    if (transfer.done_bytes < transfer.out.size()) continue;
    transfer.complete = true;
    peer.sending.pop_front();
  }
  return moved;
}

bool Mailbox::pull(int from, Peer& peer) {
  Channel& channel = member_.channel(from, member_.rank());
  std::uint64_t taken = channel.taken.load(std::memory_order_relaxed);
  bool moved = false;
  while (channel.pushed.load(std::memory_order_seq_cst) > taken) {
    const Channel::Fragment& fragment = channel.fragments[taken % kFragments];
    const std::uint64_t message_bytes = fragment.message_bytes;
    const std::size_t bytes = std::min<std::size_t>(fragment.bytes, kFragmentBytes);
    if (peer.direct == nullptr && peer.stored == nullptr) {
      begin_message(peer, fragment.tag, message_bytes);
      if (peer.direct == nullptr && peer.stored == nullptr) return moved;  // MAIL-2: no space
    }
    const std::span<std::byte> target =
        peer.direct != nullptr ? peer.direct->in : std::span<std::byte>(peer.stored->bytes);
    if (peer.came_bytes < target.size()) {  // of a message that is too long only the end of it is waited for
      std::memcpy(target.data() + peer.came_bytes, fragment.data,
                  std::min<std::size_t>(bytes, target.size() - peer.came_bytes));
    }
    peer.came_bytes += bytes;
    channel.taken.exchange(++taken, std::memory_order_seq_cst);
    member_.ring(from);
    moved = true;
    if (peer.came_bytes < message_bytes && bytes > 0) continue;
    if (peer.stored != nullptr) {
      peer.stored->complete = true;
      peer.stored = nullptr;
      take_early(from, peer);
      continue;
    }
    Transfer& transfer = *std::exchange(peer.direct, nullptr);
    if (message_bytes != transfer.in.size()) {
      transfer.error = wrong_size(from, transfer.tag, message_bytes, transfer.in.size());
    }
    transfer.complete = true;
    peer.receiving.remove(&transfer);
  }
  return moved;
}

void Mailbox::begin_message(Peer& peer, int tag, std::uint64_t size_bytes) {
  peer.came_bytes = 0;
  // Those that wait for an early message of this tag came before this one.
  const auto has_tag = [&](const Early& early) { return early.tag == tag; };
  auto earlier = std::count_if(peer.early.begin(), peer.early.end(), has_tag);
  for (Transfer* transfer : peer.receiving) {
    if (transfer->tag != tag || earlier-- > 0) continue;
    peer.direct = transfer;
    return;
  }
  if (early_bytes_ + size_bytes > kEarlyBytes && early_bytes_ > 0) return;
  early_bytes_ += size_bytes;
  peer.stored = &peer.early.emplace_back(Early{tag, size_bytes, std::vector<std::byte>(size_bytes)});
}

void Mailbox::take_early(int from, Peer& peer) {
  for (auto it = peer.receiving.begin(); it != peer.receiving.end();) {
    Transfer& transfer = **it;
    const auto early = std::find_if(peer.early.begin(), peer.early.end(),
                                    [&](const Early& candidate) { return candidate.tag == transfer.tag; });
    if (early == peer.early.end() || !early->complete || &transfer == peer.direct) {
      ++it;
      continue;
    }
    if (early->size_bytes != transfer.in.size()) {
      transfer.error = wrong_size(from, transfer.tag, early->size_bytes, transfer.in.size());
    } else if (!early->bytes.empty()) {
      std::memcpy(transfer.in.data(), early->bytes.data(), early->bytes.size());
    }
    transfer.complete = true;
    early_bytes_ -= early->size_bytes;
    peer.early.erase(early);
    it = peer.receiving.erase(it);
  }
}

}  // namespace manta::collective
