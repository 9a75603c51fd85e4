#include "core/collective/shared_memory_transport.h"

#include <algorithm>
#include <utility>

#include "core/collective/rendezvous.h"

namespace manta::collective {

SharedMemoryTransport::SharedMemoryTransport(const Rendezvous& rendezvous, const Check& check)
    : Transport(rendezvous.rank, rendezvous.size, kSlotBytes),
      name_(rendezvous.name),
      member_(meet_at(rendezvous, check), rendezvous),
      mailbox_(member_) {
  member_.meet(check);
}

std::unique_ptr<Transport> SharedMemoryTransport::split(std::span<const int> ranks) {
  const auto self = std::find(ranks.begin(), ranks.end(), rank());
  // All ranks have made the same steps, so the number names this split, and the first rank the part.
  const Rendezvous rendezvous{
      .name = name_ + "/" + std::to_string(member_.published_steps()) + "." + std::to_string(ranks.front()),
      .rank = static_cast<int>(self - ranks.begin()),
      .size = static_cast<int>(ranks.size()),
      .timeout = timeout()};
  const auto check = [&]() -> std::optional<Error> {
    member_.require_usable();
    for (const int peer : ranks) {
      const auto trouble = peer == rank() ? std::nullopt : member_.trouble_with(peer);
      if (trouble) return trouble->with_context("collective group, rank " + std::to_string(rank()) + " in split");
    }
    return {};
  };
  return std::make_unique<SharedMemoryTransport>(rendezvous, check);
}

}  // namespace manta::collective
