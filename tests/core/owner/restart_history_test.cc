// Random histories of one actor: the owner and a borrower of its handle call it, pass on or release the handle and kill
// the actor, and its processes die at every moment, with results and messages in flight. A model plays the workers: it
// sees every start and says what must be true (OWN-1, OWN-2, OWN-10).
#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "core/owner/owner.h"
#include "tests/core/owner/quiet_effects.h"
#include "tests/core/owner/recorded_owner.h"

namespace manta::owner {
namespace {

constexpr ClientId kOwner{1}, kBorrower{2};
constexpr std::uint64_t kActor = 1;  // its object's number; calls count from 2
constexpr std::size_t kRoom = 3;     // records in a ring: few, so that it is full now and then

// A ring as both sides see it. What is done waits for its submitter to take it.
class Ring final : public WorkerLink {
 public:
  bool push(Entry& entry) override {
    if (unstarted.size() + started.size() + done.size() >= kRoom) return false;
    unstarted.push_back(&entry);
    return true;
  }
  Entry* take_back_last() override {
    if (unstarted.empty()) return nullptr;
    Entry* entry = unstarted.back();
    unstarted.pop_back();
    return entry;
  }
  bool take_back(Entry& entry) override { return std::erase(unstarted, &entry) == 1; }
  Entry* next_lost() override {
    if (started.empty()) return nullptr;
    Entry* entry = started.front();
    started.pop_front();
    return entry;
  }
  bool push_end() override { return end = true; }
  void running(std::vector<Entry*>& entries) const override {
    entries.insert(entries.end(), started.begin(), started.end());
  }
  void replace(Entry&, Entry&) override {}  // no call has a time limit

  std::deque<Entry*> unstarted, started, done;
  bool end = false;
};

struct Worker {
  ClientId id;
  LeaseId lease;
  bool alive = true;
  bool constructed = false;
  std::map<ClientId, Ring> rings;            // one for each caller
  std::map<ClientId, std::uint64_t> newest;  // call that it started, for each caller
};

struct Call {
  Entry* entry = nullptr;  // with a reference, until it is let go
  ClientId caller;
  Entry* argument = nullptr;  // has failed: it need not start
  int starts = 0;
  bool returned = false;  // its last start did
};

struct Limits {
  int restarts = 0;
  int task_retries = 0;
  std::uint32_t concurrency = 1;
};

class World {
 public:
  explicit World(const Limits& limits) : limits_(limits) {
    NewActor actor;
    actor.constructor = task(kActor);
    actor.request = cpus(1);
    actor.limits = {limits.restarts, limits.task_retries, limits.concurrency};
    owner_.handles.push_back(owner_.owner.actors().create(std::move(actor)));
  }

  // --- what programs do
  void call(bool borrower, std::size_t choice) {
    Process& p = process(borrower);
    if (p.handles.empty()) return;
    const std::uint64_t n = ++numbers_;
    Call& made = calls_[n];
    made.caller = p.id;
    NewTask call = task(n);
    if (choice % 4 == 0 && !p.calls.empty()) {
      Call& earlier = calls_.at(p.calls[choice / 4 % p.calls.size()]);
      if (earlier.entry != nullptr) {
        call.references = {earlier.entry};
        call.ref_mask = 1;
        made.argument = earlier.entry;
        detail::retain(made.argument);  // the model looks at it later
      }
    }
    made.entry = p.owner.actors().call(*p.handles.front(), std::move(call));
    p.calls.push_back(n);
  }
  void pass_handle_on() {
    if (owner_.handles.empty()) return;
    Entry& handle = *owner_.handles.front();
    const detail::WireRef ref = owner_.owner.borrowing().export_ref(handle);
    owner_.owner.borrowing().add_borrower(handle, kBorrower);
    borrower_.inbox.emplace_back(
        [this, ref] { borrower_.handles.push_back(borrower_.owner.borrowing().import(ref, true)); });
  }
  void drop_handle(bool borrower) {
    Process& p = process(borrower);
    if (p.handles.empty()) return;
    release(p, p.handles.back());
    p.handles.pop_back();
  }
  void drop_call(bool borrower, std::size_t choice) {
    Process& p = process(borrower);
    if (!p.calls.empty()) forget(calls_.at(p.calls[choice % p.calls.size()]));
  }
  void kill_actor(bool borrower, bool restart) {
    Process& p = process(borrower);
    if (p.handles.empty()) return;
    killed_ = killed_ || !restart;
    p.owner.actors().kill(*p.handles.front(), restart);
  }

  // --- what the node and the workers do
  bool grant() {
    if (!demanded_ || !lease_.empty()) return false;
    auto made = std::make_unique<Worker>();
    made->id = ClientId{100 + workers_.size()};
    made->lease = LeaseId{1 + workers_.size()};
    lease_.insert(made->lease.value);
    Worker& worker = *made;
    workers_.push_back(std::move(made));
    owner_.inbox.emplace_back([this, &worker] {
      owner_.owner.actors().granted(demand_index_, worker.lease, worker.id, worker.rings[kOwner]);
    });
    return true;
  }
  bool start(std::size_t choice) {
    for (const auto& worker : workers_) {
      if (!worker->alive) continue;
      for (std::size_t i = 0; i < 2; ++i) {
        const ClientId caller{1 + (choice + i) % 2};
        if (start_from(*worker, caller)) return true;
      }
      if (worker->rings[kOwner].end && running(*worker) == 0) {
        die(*worker);
        return true;
      }
    }
    return false;
  }
  bool finish(std::size_t choice) {
    for (const auto& worker : workers_) {
      for (auto& [caller, ring] : worker->rings) {
        if (!worker->alive || ring.started.empty()) continue;
        const auto it = ring.started.begin() + static_cast<std::ptrdiff_t>(choice % ring.started.size());
        Entry* entry = *it;
        ring.started.erase(it);
        ring.done.push_back(entry);
        if (entry->id.low == kActor) {
          worker->constructed = true;
        } else {
          calls_.at(entry->id.low).returned = true;
        }
        return true;
      }
    }
    return false;
  }
  bool take_result(bool borrower) {
    for (const auto& worker : workers_) {
      if (take_result(process(borrower), worker->rings[process(borrower).id])) return true;
    }
    return false;
  }
  void kill_worker(std::size_t choice) {
    if (!workers_.empty() && choice % 2 == 0) die(*workers_.back());
  }
  bool deliver(bool borrower) {
    Process& p = process(borrower);
    if (p.inbox.empty()) return false;
    const auto event = std::move(p.inbox.front());
    p.inbox.pop_front();
    event();
    check();
    return true;
  }
  void tick(std::chrono::milliseconds after = std::chrono::milliseconds(1)) {
    now_ += after;
    for (Process* p : {&owner_, &borrower_}) p->owner.tick(false);
  }

  // Until nothing more can happen.
  void settle() {
    for (bool more = true; more;) {
      more = false;
      for (const bool borrower : {false, true}) {
        while (deliver(borrower)) more = true;
        while (take_result(borrower)) more = true;
      }
      more = grant() || more;
      while (start(0)) more = true;
      while (finish(0)) more = true;
      const bool demanded = demanded_;
      tick(std::chrono::seconds(10));  // the longest back-off
      more = more || demanded != demanded_;
      check();
    }
  }
  void check_all_resolved() {
    for (const auto& [n, call] : calls_) {
      if (call.entry == nullptr) continue;
      RC_ASSERT(call.entry->phase == Phase::resolved);
      if (!call.entry->value.failed()) {
        RC_ASSERT(call.returned);
        continue;
      }
      const bool argument_failed = call.argument != nullptr && call.argument->value.failed();
      const ErrorCode code = call.entry->value.error().code();
      if (argument_failed) continue;
      RC_ASSERT(!call.returned);
      if (code == ErrorCode::unavailable) {  // OWN-2: it had started, and may not be repeated
        RC_ASSERT(call.starts == limits_.task_retries + 1);
      } else {
        RC_ASSERT(code == ErrorCode::actor_died);
        RC_ASSERT(killed_ || deaths_ > limits_.restarts);
      }
    }
  }
  void end() {
    for (const bool borrower : {false, true}) {
      while (!process(borrower).handles.empty()) drop_handle(borrower);
    }
    for (auto& [n, call] : calls_) {
      forget(call);
      if (call.argument != nullptr) release(process(call.caller == kBorrower), call.argument);
    }
    settle();
    RC_ASSERT(owner_.owner.objects().table().live() == 0U);
    RC_ASSERT(borrower_.owner.objects().table().live() == 0U);
    RC_ASSERT(!demanded_);
    RC_ASSERT(lease_.empty());  // OWN-5: no worker is left
  }

 private:
  struct Process final : QuietEffects {
    Process(World& its_world, ClientId self) : id(self), owner(self, OwnerConfig{}, *this), world(its_world) {}
    void set_demand(DemandIndex index, const sched::ResourceSet&, std::uint32_t wanted) override {
      world.demand_index_ = index;
      world.demanded_ = wanted != 0;
    }
    void return_lease(LeaseId lease) override { world.end_of(lease); }
    void kill_worker(LeaseId lease) override { world.end_of(lease); }
    // The node connects them, which takes a while. Of a worker that is gone only its death is announced.
    WorkerLink* link_to(ClientId worker) override {
      inbox.emplace_back([this, worker] {
        Worker& w = world.worker(worker);
        if (w.alive || !announced.contains(worker)) owner.actors().link_opened(worker, w.rings[id]);
      });
      return nullptr;
    }
    void send(ClientId to, PeerMessage message) override {
      Process& other = world.process(to == kBorrower);
      const auto sent = std::make_shared<PeerMessage>(std::move(message));  // a std::function's captures are copied
      other.inbox.emplace_back([&other, from = id, sent] { other.owner.receive(from, *sent); });
    }
    void free(const Location&) override {}
    std::chrono::nanoseconds now() const override { return world.now_; }

    ClientId id;
    Owner owner;
    World& world;
    std::deque<std::function<void()>> inbox;  // in the order in which the node sends it
    std::vector<Entry*> handles;
    std::vector<std::uint64_t> calls;
    std::set<ClientId> announced;  // whose deaths it knows
  };

  static NewTask task(std::uint64_t n) {
    NewTask task;
    task.id = object(n);
    task.arguments = text("arguments");
    return task;
  }
  Process& process(bool borrower) { return borrower ? borrower_ : owner_; }
  Worker& worker(ClientId id) { return *workers_.at(id.value - 100); }
  static std::size_t running(const Worker& worker) {
    std::size_t n = 0;
    for (const auto& [caller, ring] : worker.rings) n += ring.started.size();
    return n;
  }
  void check() {
    RC_ASSERT(owner_.owner.check_invariants() == "");
    RC_ASSERT(borrower_.owner.check_invariants() == "");
  }
  static void release(Process& p, Entry* entry) {
    if (entry->refs.fetch_sub(1) == 1) p.owner.objects().release_last(*entry);
  }
  void forget(Call& call) {
    if (Entry* entry = std::exchange(call.entry, nullptr)) release(process(call.caller == kBorrower), entry);
  }

  bool start_from(Worker& worker, ClientId caller) {
    Ring& ring = worker.rings[caller];
    if (ring.unstarted.empty()) return false;
    Entry* entry = ring.unstarted.front();
    const bool constructor = entry->id.low == kActor;
    RC_ASSERT(worker.constructed != constructor);
    RC_ASSERT(caller == kOwner || !constructor);
    if (running(worker) >= limits_.concurrency) return false;
    ring.unstarted.pop_front();
    ring.started.push_back(entry);
    if (constructor) {
      ++constructions_;
      RC_ASSERT(constructions_ <= limits_.restarts + 1);
      return true;
    }
    Call& call = calls_.at(entry->id.low);
    ++call.starts;
    RC_ASSERT(!call.returned);                           // OWN-1
    RC_ASSERT(call.starts <= limits_.task_retries + 1);  // OWN-10
    RC_ASSERT(entry->id.low > worker.newest[caller]);    // OWN-10, in one life
    worker.newest[caller] = entry->id.low;
    if (call.starts == 1) {
      RC_ASSERT(entry->id.low > newest_[caller]);  // OWN-10, over all lives
      newest_[caller] = entry->id.low;
    }
    return true;
  }
  bool take_result(Process& p, Ring& ring) {
    if (ring.done.empty()) return false;
    Entry* entry = ring.done.front();
    ring.done.pop_front();
    p.owner.finished(*entry, returns("done"));
    check();
    return true;
  }
  void end_of(LeaseId lease) { die(*workers_.at(lease.value - 1)); }
  // Calls that had ended by then count: each caller takes their results before it hears of the death.
  void die(Worker& worker) {
    if (!std::exchange(worker.alive, false)) return;
    deaths_ += worker.constructed || running(worker) != 0 ? 1 : 0;
    lease_.erase(worker.lease.value);
    demanded_ = false;  // SCHED-9
    for (Process* p : {&owner_, &borrower_}) {
      p->inbox.emplace_back([this, p, &worker] {
        while (take_result(*p, worker.rings[p->id])) {
        }
        p->announced.insert(worker.id);
        if (p->id == kOwner) p->owner.lease_ended(worker.lease, "was killed");
        p->owner.client_died(worker.id, "was killed");
      });
    }
  }

  Limits limits_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::map<std::uint64_t, Call> calls_;
  std::map<ClientId, std::uint64_t> newest_;  // call that ever started, for each caller
  std::set<std::uint64_t> lease_;             // in force: at most one
  std::chrono::nanoseconds now_{};
  DemandIndex demand_index_ = 0;
  bool demanded_ = false;
  bool killed_ = false;
  std::uint64_t numbers_ = kActor;
  int constructions_ = 0;
  int deaths_ = 0;  // of workers that the constructor had started in
  Process owner_{*this, kOwner}, borrower_{*this, kBorrower};
};

void step(World& world, std::uint32_t what) {
  const bool borrower = what / 32 % 2 == 1;
  const std::size_t choice = what / 64;
  switch (what % 32) {
    case 0:
      return world.pass_handle_on();
    case 1:
      return world.kill_worker(choice);
    case 2:
      return choice % 8 == 0 ? world.kill_actor(borrower, choice % 16 == 0) : world.tick();
    case 3:
      return world.drop_call(borrower, choice);
    case 4:
      return choice % 8 == 0 ? world.drop_handle(borrower) : world.tick();
    case 5:
    case 6:
      return (void)world.grant();
    default:
      break;
  }
  if (what % 32 < 14) return world.call(borrower, choice);
  if (what % 32 < 19) return (void)world.start(choice);
  if (what % 32 < 23) return (void)world.finish(choice);
  if (what % 32 < 26) return (void)world.take_result(borrower);
  (void)world.deliver(borrower);
}

TEST(RestartHistory, CallsKeepTheirOrderAndTheirNumberWhateverDies) {
  const bool held = rc::check("histories of restarts", [](const std::vector<std::uint32_t>& seeds) {
    Limits limits;
    limits.restarts = *rc::gen::inRange(0, 4);
    limits.task_retries = *rc::gen::inRange(0, 3);
    limits.concurrency = *rc::gen::element(1U, 1U, 2U);
    World world(limits);
    world.pass_handle_on();
    for (const std::uint32_t seed : seeds) {
      for (std::uint64_t i = 0; i < 8; ++i) step(world, static_cast<std::uint32_t>(detail::mix64(seed * 8ULL + i)));
    }
    world.settle();
    world.check_all_resolved();
    world.end();
  });
  EXPECT_TRUE(held);
}

}  // namespace
}  // namespace manta::owner
