// Random histories of a node: processes borrow from each other objects and references inside objects, ask for values,
// release references and are killed, with messages in flight at every moment. A model that sees all says what must be
// true.
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "core/base/overloaded.h"
#include "core/owner/owner.h"
#include "core/owner/round_call.h"
#include "core/owner/standby_owners.h"
#include "tests/core/owner/quiet_effects.h"
#include "tests/core/owner/recorded_owner.h"

namespace manta::owner {
namespace {

constexpr std::uint64_t kProcesses = 4;

struct Mail {  // a reference, which the receiver borrows already
  detail::WireRef ref;
};
struct Peer {
  ClientId from, to;
  PeerMessage message;
};
struct Letter {
  ClientId from, to;
  Mail mail;
};
struct Exited {};
struct Died {
  ClientId client;
};
struct Question {
  ClientId standby;
  std::uint32_t round = 0;
};
struct Replication {
  std::vector<Replica> replicas;
};
struct Withdrawal {
  std::vector<ObjectId> objects;
};
using Message = std::variant<Peer, Letter, Exited, Died, Question, Replication, Withdrawal>;

class Node;

class Process final : public QuietEffects {
 public:
  Process(Node& node, ClientId self)
      : id(self), owner(std::make_unique<Owner>(self, OwnerConfig{}, *this)), node_(node) {}

  void set_demand(DemandIndex, const sched::ResourceSet&, std::uint32_t) override {}
  void return_lease(LeaseId) override {}
  void kill_worker(LeaseId) override {}
  WorkerLink* link_to(ClientId) override { return nullptr; }
  std::chrono::nanoseconds now() const override { return {}; }
  void send(ClientId to, PeerMessage message) override { to_node.push_back(Peer{id, to, std::move(message)}); }
  void replicate(std::vector<Replica> replicas) override { to_node.push_back(Replication{std::move(replicas)}); }
  void withdraw(std::vector<ObjectId> objects) override { to_node.push_back(Withdrawal{std::move(objects)}); }
  void free(const Location& location) override;

  void drop(std::size_t index) {
    Entry* entry = held[index];
    held.erase(held.begin() + static_cast<std::ptrdiff_t>(index));
    if (entry->refs.fetch_sub(1) == 1) owner->objects().release_last(*entry);
  }

  ClientId id;
  std::unique_ptr<Owner> owner;  // null: killed
  std::vector<Entry*> held;
  std::deque<Message> to_node, to_process;

 private:
  Node& node_;
};

class Node final : public StandbyEffects {
 public:
  Node() : standby_owners_(*this), calls_(edge()) {
    for (std::uint64_t n = 1; n <= kProcesses; ++n) {
      processes_.push_back(std::make_unique<Process>(*this, ClientId{n}));
      there_.insert(ClientId{n});
    }
  }

  // --- what programs do
  void put(Process& p, std::size_t choice, bool stored) {
    std::vector<Entry*> inside;
    for (std::size_t i = 0; i < p.held.size() && choice != 0; ++i, choice /= 2) {
      if (choice % 2 == 0) continue;
      detail::retain(p.held[i]);
      inside.push_back(p.held[i]);
    }
    const std::uint64_t n = ++objects_;
    if (stored) blocks_.emplace(n, p.id);
    Value value = stored ? Value::at({p.id, n, 1}, false) : text(std::to_string(n));
    for (Entry* entry : inside) (void)p.owner->borrowing().export_ref(*entry);
    p.held.push_back(p.owner->objects().put(object(n), std::move(value), std::move(inside)));
  }
  void mail(Process& p, std::size_t what, ClientId to) {
    if (p.held.empty() || to == p.id) return;
    Entry& entry = *p.held[what % p.held.size()];
    const detail::WireRef ref = p.owner->borrowing().export_ref(entry);
    if (ref.owner == to) return;
    p.owner->borrowing().add_borrower(entry, to);
    p.to_node.push_back(Letter{p.id, to, {ref}});
  }
  // A task that the process submitted to itself ends, and has kept the reference from its arguments.
  void announce(Process& p, std::size_t what) {
    if (p.held.empty()) return;
    Entry& entry = *p.held[what % p.held.size()];
    detail::retain(&entry);
    if (!p.owner->borrowing().kept_after_task({&entry}).empty()) p.owner->borrowing().add_borrower(entry, p.id);
    if (entry.refs.fetch_sub(1) == 1) p.owner->objects().release_last(entry);
  }
  void want(Process& p, std::size_t what) {
    if (p.held.empty()) return;
    Entry& entry = *p.held[what % p.held.size()];
    p.owner->tasks().want(entry);
    look_inside(p, entry);
  }
  void drop(Process& p, std::size_t what) {
    if (!p.held.empty()) p.drop(what % p.held.size());
  }
  void kill(Process& p) {
    p.owner->objects().table().for_each([&](const Entry& entry) {
      if (entry.owned && entry.extra && entry.extra->replication == EntryExtra::Replication::done)
        adopted_.insert(entry.id.low);
    });
    for (auto it = blocks_.begin(); it != blocks_.end();) {  // a block that was not replicated goes with its arena
      const bool lost = it->second == p.id && !adopted_.contains(it->first);
      it = lost ? blocks_.erase(it) : std::next(it);
    }
    p.held.clear();
    p.owner.reset();
    p.to_process.clear();
    p.to_node.push_back(Exited{});
  }

  // --- the world
  Process& process(std::size_t n) { return *processes_[n % kProcesses]; }
  bool deliver(std::size_t choice) {
    std::vector<std::pair<Process*, bool>> queues;
    for (const auto& p : processes_) {
      if (!p->to_node.empty()) queues.emplace_back(p.get(), true);
      if (!p->to_process.empty()) queues.emplace_back(p.get(), false);
    }
    if (queues.empty()) return false;
    auto [p, up] = queues[choice % queues.size()];
    auto& queue = up ? p->to_node : p->to_process;
    Message message = std::move(queue.front());
    queue.pop_front();
    up ? at_node(*p, std::move(message)) : at_process(*p, std::move(message));
    RC_ASSERT(standby_owners_.check_invariants() == "");
    RC_ASSERT(freed_twice_ == 0U);
    return true;
  }
  void deliver_all() {
    while (deliver(0)) {
    }
  }
  // Each live process reads all objects that it holds.
  void read_everything() {
    for (bool more = true; more;) {
      more = false;
      for (const auto& p : processes_) {
        if (!p->owner) continue;
        const std::vector<Entry*> held = p->held;
        for (Entry* entry : held) p->owner->tasks().want(*entry);
        deliver_all();
        for (Entry* entry : held) {
          check(*p, *entry);
          more = look_inside(*p, *entry) || more;
        }
      }
    }
  }
  void end() {
    for (const auto& p : processes_) {
      while (p->owner && !p->held.empty()) p->drop(0);
    }
    deliver_all();
    for (const auto& p : processes_) {
      if (p->owner) RC_ASSERT(p->owner->objects().table().live() == 0U);
    }
    RC_ASSERT(standby_owners_.why_open() == "");
    RC_ASSERT(blocks_.empty());
  }
  void free(const StoredLocation& location) {
    const bool alive = process(location.arena.value - 1).owner != nullptr;
    if (blocks_.erase(location.offset) == 0 && alive) ++freed_twice_;  // may be called by a destructor
  }

 private:
  // References inside a value that is there, as a program would take them out.
  bool look_inside(Process& p, Entry& entry) {
    if (entry.phase != Phase::resolved || !entry.extra || !looked_.insert(&entry).second) return false;
    for (Entry* inside : entry.extra->contained) {
      detail::retain(inside);
      p.held.push_back(inside);
    }
    return !entry.extra->contained.empty();
  }
  // STANDBY-2: it is there, and its block is not another's.
  void check(const Process&, const Entry& entry) {
    const ClientId owner = entry.owned ? ClientId{} : is_standby(entry.owner) ? primary_of(entry.owner) : entry.owner;
    const bool lives = entry.owned || process(owner.value - 1).owner != nullptr;
    RC_ASSERT(entry.phase == Phase::resolved);
    if (!lives && !adopted_.contains(entry.id.low)) return;
    RC_ASSERT(!entry.value.failed());
    if (entry.value.in_arena()) {
      RC_ASSERT(entry.value.stored().offset == entry.id.low);
      RC_ASSERT(blocks_.contains(entry.id.low));
    } else {
      RC_ASSERT(content(entry) == "value " + std::to_string(entry.id.low));
    }
  }

  void at_node(Process& p, Message message) {
    std::visit(Overloaded{
                   [&](Peer& m) { route(std::move(m)); },
                   [&](Letter& m) {
                     Process& to = process(m.to.value - 1);
                     if (to.owner) to.to_process.push_back(std::move(m));
                   },
                   [&](Replication& m) { standby_owners_.replicate(p.id, std::move(m.replicas)); },
                   [&](const Withdrawal& m) { standby_owners_.withdraw(p.id, m.objects); },
                   [&](const Exited&) {
                     there_.erase(p.id);
                     calls_.client_gone(p.id);
                     standby_owners_.open(p.id, "was killed");
                     for (const ClientId other : there_) {
                       Process& to = process(other.value - 1);
                       if (to.owner) to.to_process.push_back(Died{p.id});
                     }
                     standby_owners_.client_died(p.id, "was killed");
                     standby_owners_.announced(p.id);
                   },
                   [&](const Question& m) { calls_.client_answered(p.id, m.standby, m.round); },
                   [](const auto&) { RC_FAIL("not for a node"); },
               },
               message);
  }
  void at_process(Process& p, Message message) {
    std::visit(Overloaded{
                   [&](const Peer& m) { p.owner->receive(m.from, m.message); },
                   [&](const Letter& m) { p.held.push_back(p.owner->borrowing().import(m.mail.ref, true)); },
                   [&](const Died& m) { p.owner->client_died(m.client, "was killed"); },
                   [&](const Question& m) {
                     p.owner->borrowing().fail_over(primary_of(m.standby));
                     p.to_node.push_back(m);
                   },
                   [](const auto&) { RC_FAIL("not for a process"); },
               },
               message);
    RC_ASSERT(p.owner->check_invariants() == "");
  }
  void route(Peer peer) {
    if (!there_.contains(peer.to)) return standby_owners_.receive(peer.from, peer.to, std::move(peer.message));
    Process& to = process(peer.to.value - 1);
    if (to.owner) to.to_process.push_back(std::move(peer));
  }

  void send_as(ClientId from, ClientId to, PeerMessage message) override { route({from, to, std::move(message)}); }
  void free_block(const StoredLocation& location) override { free(location); }
  void arena_unused(ClientId, ClientId) override {}
  void ask_all(ClientId standby, std::uint32_t round) override {
    calls_.start(standby, round, {there_.begin(), there_.end()}, {});
  }
  void standby_closed(ClientId) override {}
  RoundCallEdge edge() {
    return {[this](ClientId client, ClientId standby, std::uint32_t round) {
              Process& p = process(client.value - 1);
              if (p.owner) p.to_process.push_back(Question{standby, round});
            },
            {},
            {},
            [this](ClientId standby, std::uint32_t round) { standby_owners_.settled(standby, round); }};
  }

  std::vector<std::unique_ptr<Process>> processes_;
  std::set<ClientId> there_;  // as the node knows
  StandbyOwners standby_owners_;
  RoundCall calls_;
  std::uint64_t objects_ = 0;
  std::map<std::uint64_t, ClientId> blocks_;  // not freed, and whose they are
  std::uint64_t freed_twice_ = 0;
  std::set<std::uint64_t> adopted_;
  std::set<const Entry*> looked_;
};

void Process::free(const Location& location) { node_.free(std::get<StoredLocation>(location)); }

void step(Node& node, std::uint32_t what) {
  Process& p = node.process(what / 16);
  const std::size_t choice = what / 64;
  const unsigned action = what % 16;
  if (action >= 9) {
    (void)node.deliver(choice);
  } else if (!p.owner) {
    return;
  } else if (action < 2) {
    node.put(p, choice % 8, choice / 8 % 2 == 0);
  } else if (action < 5) {
    node.mail(p, choice / 4, ClientId{1 + choice % kProcesses});
  } else if (action < 7) {
    choice % 4 == 0 ? node.announce(p, choice / 4) : node.want(p, choice / 4);
  } else if (action == 7) {
    node.drop(p, choice);
  } else if (choice % 4 == 0) {
    node.kill(p);
  }
}

TEST(StandbyHistory, WhatOthersHoldOutlivesItsOwnerAndNothingElseDoes) {
  const bool held = rc::check("histories of borrowing and adoption", [](const std::vector<std::uint32_t>& seeds) {
    Node node;
    // Each number is a few steps: histories long enough to get somewhere, that shrink well.
    for (const std::uint32_t seed : seeds) {
      for (std::uint64_t i = 0; i < 8; ++i) step(node, static_cast<std::uint32_t>(detail::mix64(seed * 8ULL + i)));
    }
    node.deliver_all();
    node.read_everything();
    node.end();
  });
  EXPECT_TRUE(held);
}

}  // namespace
}  // namespace manta::owner
