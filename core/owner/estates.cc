#include "core/owner/estates.h"

#include <utility>

#include "core/base/overloaded.h"
#include "core/owner/owner.h"

namespace manta::owner {

namespace {

constexpr std::uint32_t kRounds = 2;

OwnerConfig heirs_config() {
  OwnerConfig config;
  config.leaves_estate = false;
  return config;
}

}  // namespace

// An Owner without a program: it has no tasks, and what it owns was another's.
struct Estates::Heir final : OwnerEffects {
  Heir(ClientId owner, EstateEffects& to) : id(heir_of(owner)), effects(to), objects(id, heirs_config(), *this) {}

  void set_demand(DemandIndex, const sched::ResourceSet&, std::uint32_t) override {}
  void return_lease(LeaseId) override {}
  void kill_worker(LeaseId) override {}
  Channel* channel_to(ClientId) override { return nullptr; }
  void drop_name(const std::string&, const ObjectId&) override {}
  std::chrono::nanoseconds now() const override { return {}; }  // only actors need it, and it has none
  void resolved(Entry&) override {}
  void send(ClientId to, PeerMessage message) override { effects.send_as(id, to, std::move(message)); }
  void free_stored(const StoredLocation& location) override {
    if (open) effects.free_block(location);  // ESTATE-1
  }
  void arena_unused(ClientId arena) override { effects.arena_unused(arena, id); }

  ClientId id;
  EstateEffects& effects;
  bool open = false;
  std::uint32_t round = 0;  // in which it is; kRounds + 1: settled
  Owner objects;
};

Estates::Estates(EstateEffects& effects) : effects_(effects) {}
Estates::~Estates() = default;

Estates::Heir* Estates::find(ClientId heir) const {
  const auto it = heirs_.find(heir);
  return it == heirs_.end() ? nullptr : it->second.get();
}

class Estates::Busy {
 public:
  explicit Busy(Estates& estates) : estates_(estates), outer_(!std::exchange(estates.busy_, true)) {}
  ~Busy() {
    if (!outer_) return;
    while (!estates_.letters_.empty()) {
      const Letter letter = std::move(estates_.letters_.front());
      estates_.letters_.pop_front();
      estates_.handle(letter);
    }
    estates_.busy_ = false;
    estates_.close_empty();
  }
  Busy(const Busy&) = delete;

 private:
  Estates& estates_;
  bool outer_;
};

void Estates::bequeath(ClientId owner, std::vector<Bequest> bequests) {
  const Busy busy(*this);
  auto& heir = heirs_[heir_of(owner)];
  if (!heir) {
    heir = std::make_unique<Heir>(owner, effects_);
    for (const ClientId dead : dead_) heir->objects.inherit(dead);  // the owner may not have heard of it
  }
  if (heir->open) return;
  for (Bequest& bequest : bequests) heir->objects.bequeathed(owner, std::move(bequest));
}

void Estates::withdraw(ClientId owner, const std::vector<ObjectId>& objects) {
  const Busy busy(*this);
  Heir* heir = find(heir_of(owner));
  if (heir == nullptr || heir->open) return;
  for (const ObjectId& object : objects) heir->objects.withdrawn(object);
}

void Estates::open(ClientId owner, const std::string& status) {
  const Busy busy(*this);
  Heir* heir = find(heir_of(owner));
  if (heir == nullptr || heir->open) return;
  heir->open = true;
  heir->objects.open_estate(owner, status);
  touched_.insert(heir->id);
}

void Estates::announced(ClientId owner) {
  const Busy busy(*this);
  Heir* heir = find(heir_of(owner));
  if (heir == nullptr || !heir->open || heir->round != 0) return;
  heir->round = 1;
  effects_.ask_all(heir->id, 1);
}

void Estates::settled(ClientId id, std::uint32_t round) {
  const Busy busy(*this);
  Heir* heir = find(id);
  if (heir == nullptr || heir->round != round || round > kRounds) return;
  ++heir->round;
  if (round < kRounds) return effects_.ask_all(id, round + 1);
  heir->objects.settle_estate();
  touched_.insert(id);
}

void Estates::client_died(ClientId client, const std::string& status) {
  const Busy busy(*this);
  dead_.insert(client);
  for (const auto& [id, heir] : heirs_) {
    heir->objects.client_died(client, status);
    touched_.insert(id);
  }
}

void Estates::node_died(NodeId node, const std::string& status) {
  const Busy busy(*this);
  dead_nodes_.insert(node);
  for (const auto& [id, heir] : heirs_) {
    heir->objects.node_died(node, status);
    touched_.insert(id);
  }
}

void Estates::receive(ClientId from, ClientId to, PeerMessage message) {
  const Busy busy(*this);
  letters_.push_back({from, to, std::move(message)});
}

void Estates::handle(const Letter& letter) {
  Heir* heir = find(heir_of(letter.to));
  const auto* lent = std::get_if<Lent>(&letter.message);
  if (is_dead(lent != nullptr ? lent->client : letter.from)) return;  // they hold nothing, and hear nothing
  if (heir != nullptr && is_heir(letter.to)) {
    touched_.insert(heir->id);
    return heir->objects.receive(letter.from, letter.message);
  }
  if (lent != nullptr && heir != nullptr && heir->open) {
    // The sender did not know of the death. If it announces itself, it registers here once it knows of the death, if it
    // still holds the object then (OWN-13). If it announces another process, that may not know of the death either.
    if (lent->client == letter.from) return;
    heir->objects.receive(letter.from, *lent);
    effects_.send_as(heir->id, lent->client, Passed{{lent->object, heir->id}});
  } else {
    answer_for_nobody(letter);
  }
}

// ESTATE-3
void Estates::answer_for_nobody(const Letter& letter) {
  if (const auto* passed = std::get_if<Passed>(&letter.message)) {  // to an heir that is gone, or never was
    return effects_.send_as(letter.to, passed->ref.owner, GivenBack{passed->ref.object, 1});
  }
  if (const auto* adopt = std::get_if<AdoptActor>(&letter.message)) {
    return effects_.send_as(letter.to, letter.from, Adopted{adopt->request, false});
  }
  const auto* fetch = std::get_if<Fetch>(&letter.message);
  const auto* find = std::get_if<FindActor>(&letter.message);
  if (fetch == nullptr && find == nullptr) return;
  if (is_heir(letter.to)) {
    effects_.send_as(letter.to, letter.from, NotInherited{fetch != nullptr ? fetch->object : find->actor});
  } else {
    effects_.send_as(heir_of(letter.to), letter.from, OwnerDied{letter.to});
  }
}

void Estates::close_empty() {
  for (const ClientId id : std::exchange(touched_, {})) {
    Heir* heir = find(id);
    if (heir == nullptr || !heir->open || heir->objects.table().live() > 0) continue;
    heirs_.erase(id);
    effects_.estate_closed(id);
  }
}

std::vector<ClientId> Estates::heirs() const {
  std::vector<ClientId> ids;
  for (const auto& [id, heir] : heirs_) ids.push_back(id);
  return ids;
}

std::string Estates::why_open() const {
  for (const auto& [id, heir] : heirs_) {
    if (!heir->open) continue;
    std::string why = "the heir of client " + std::to_string(deceased_of(id).value) + ", in round " +
                      std::to_string(heir->round) + ", keeps";
    heir->objects.table().for_each([&](const Entry& entry) {
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

std::string Estates::check_invariants() const {
  for (const auto& [id, heir] : heirs_) {
    if (std::string broken = heir->objects.check_invariants(); !broken.empty()) return broken + ", in an estate";
    if (heir->open && heir->objects.table().live() == 0) return "ESTATE-4: an estate without objects has an heir";
  }
  return {};
}

}  // namespace manta::owner
