#include "core/owner/standby_owners.h"

#include <utility>

#include "core/base/overloaded.h"

namespace manta::owner {

namespace {

constexpr std::uint32_t kRounds = 2;

}  // namespace

struct StandbyOwners::Standby {
  Standby(ClientId primary, StandbyOwnerEffects& effects) : owner(primary, effects) {}
  StandbyOwner owner;
  std::uint32_t round = 0;  // in which its failover is; kRounds + 1: settled
};

StandbyOwners::StandbyOwners(StandbyEffects& effects) : effects_(effects) {}
StandbyOwners::~StandbyOwners() = default;

StandbyOwners::Standby* StandbyOwners::find(ClientId standby) const {
  const auto it = standbys_.find(standby);
  return it == standbys_.end() ? nullptr : it->second.get();
}

class StandbyOwners::Busy {
 public:
  explicit Busy(StandbyOwners& standby_owners)
      : standby_owners_(standby_owners), outer_(!std::exchange(standby_owners.busy_, true)) {}
  ~Busy() {
    if (!outer_) return;
    while (!standby_owners_.letters_.empty()) {
      const Letter letter = std::move(standby_owners_.letters_.front());
      standby_owners_.letters_.pop_front();
      standby_owners_.handle(letter);
    }
    standby_owners_.busy_ = false;
    standby_owners_.close_empty();
  }
  Busy(const Busy&) = delete;

 private:
  StandbyOwners& standby_owners_;
  bool outer_;
};

void StandbyOwners::replicate(ClientId owner, std::vector<Replica> replicas) {
  const Busy busy(*this);
  auto& standby = standbys_[standby_of(owner)];
  if (!standby) {
    standby = std::make_unique<Standby>(owner, effects_);
    for (const ClientId dead : dead_) standby->owner.fail_over(dead);  // the owner may not have heard of it
  }
  for (Replica& replica : replicas) standby->owner.store(std::move(replica));
}

void StandbyOwners::withdraw(ClientId owner, const std::vector<ObjectId>& objects) {
  const Busy busy(*this);
  Standby* standby = find(standby_of(owner));
  if (standby == nullptr || standby->owner.open()) return;
  for (const ObjectId& object : objects) standby->owner.withdraw(object);
}

void StandbyOwners::open(ClientId owner, const std::string& status) {
  const Busy busy(*this);
  Standby* standby = find(standby_of(owner));
  if (standby == nullptr || standby->owner.open()) return;
  standby->owner.begin_failover(status);
  touched_.insert(standby->owner.id());
}

void StandbyOwners::announced(ClientId owner) {
  const Busy busy(*this);
  Standby* standby = find(standby_of(owner));
  if (standby == nullptr || !standby->owner.open() || standby->round != 0) return;
  standby->round = 1;
  effects_.ask_all(standby->owner.id(), 1);
}

void StandbyOwners::settled(ClientId id, std::uint32_t round) {
  const Busy busy(*this);
  Standby* standby = find(id);
  if (standby == nullptr || standby->round != round || round > kRounds) return;
  ++standby->round;
  if (round < kRounds) return effects_.ask_all(id, round + 1);
  standby->owner.settle_failover();
  touched_.insert(id);
}

void StandbyOwners::client_died(ClientId client, const std::string& status) {
  const Busy busy(*this);
  dead_.insert(client);
  for (const auto& [id, standby] : standbys_) {
    standby->owner.client_died(client, status);
    touched_.insert(id);
  }
}

void StandbyOwners::node_died(NodeId node, const std::string& status) {
  const Busy busy(*this);
  dead_nodes_.insert(node);
  for (const auto& [id, standby] : standbys_) {
    standby->owner.node_died(node, status);
    touched_.insert(id);
  }
}

void StandbyOwners::receive(ClientId from, ClientId to, PeerMessage message) {
  const Busy busy(*this);
  letters_.push_back({from, to, std::move(message)});
}

void StandbyOwners::handle(const Letter& letter) {
  Standby* standby = find(standby_of(letter.to));
  const auto* borrower = std::get_if<AddBorrower>(&letter.message);
  if (is_dead(borrower != nullptr ? borrower->client : letter.from)) return;  // a dead process holds nothing
  if (standby != nullptr && is_standby(letter.to)) {
    touched_.insert(standby->owner.id());
    return standby->owner.receive(letter.from, letter.message);
  }
  if (borrower != nullptr && standby != nullptr && standby->owner.open()) {
    // The sender did not know of the death. If it announces itself, it registers here once it knows of the death, if it
    // still holds the object then (OWN-13). If it announces another process, that may not know of the death either.
    if (borrower->client == letter.from) return;
    standby->owner.receive(letter.from, *borrower);
    effects_.send_as(standby->owner.id(), borrower->client, Passed{{borrower->object, standby->owner.id()}});
  } else {
    answer_for_nobody(letter);
  }
}

// STANDBY-3
void StandbyOwners::answer_for_nobody(const Letter& letter) {
  if (const auto* passed = std::get_if<Passed>(&letter.message)) {  // to a standby owner that is gone, or never was
    return effects_.send_as(letter.to, passed->ref.owner, RemoveBorrower{passed->ref.object, 1});
  }
  if (const auto* adopt = std::get_if<AdoptActor>(&letter.message)) {
    return effects_.send_as(letter.to, letter.from, Adopted{adopt->request, false});
  }
  const auto* fetch = std::get_if<Fetch>(&letter.message);
  const auto* find = std::get_if<FindActor>(&letter.message);
  if (fetch == nullptr && find == nullptr) return;
  if (is_standby(letter.to)) {
    effects_.send_as(letter.to, letter.from, NotReplicated{fetch != nullptr ? fetch->object : find->actor});
  } else {
    effects_.send_as(standby_of(letter.to), letter.from, OwnerDied{letter.to});
  }
}

void StandbyOwners::close_empty() {
  for (const ClientId id : std::exchange(touched_, {})) {
    Standby* standby = find(id);
    if (standby == nullptr || !standby->owner.open() || standby->owner.table().live() > 0) continue;
    standbys_.erase(id);
    effects_.standby_closed(id);
  }
}

std::vector<ClientId> StandbyOwners::standbys() const {
  std::vector<ClientId> ids;
  for (const auto& [id, standby] : standbys_) ids.push_back(id);
  return ids;
}

std::string StandbyOwners::why_open() const {
  for (const auto& [id, standby] : standbys_) {
    if (!standby->owner.open()) continue;
    std::string why = "the standby owner of client " + std::to_string(primary_of(id).value) + ", in round " +
                      std::to_string(standby->round) + ", keeps";
    standby->owner.table().for_each([&](const Entry& entry) {
      why += " " + entry.id.to_string() + (entry.owned ? "" : " (borrowed)");
      if (!entry.extra) return;
      for (const auto& borrower : entry.extra->borrowers) {
        why +=
            " for client " + std::to_string(borrower.client.value) + ", " + std::to_string(borrower.count) + " times;";
      }
    });
    return why;
  }
  return {};
}

std::string StandbyOwners::check_invariants() const {
  for (const auto& [id, standby] : standbys_) {
    if (std::string broken = standby->owner.check_invariants(); !broken.empty())
      return broken + ", in a failover state";
    if (standby->owner.open() && standby->owner.table().live() == 0)
      return "STANDBY-4: an open standby owner has no objects";
  }
  return {};
}

}  // namespace manta::owner
