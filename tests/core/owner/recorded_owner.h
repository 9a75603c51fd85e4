// An Owner whose effects are written down, one line each, whose rings are played by hand, and whose invariants are
// checked after every event.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/owner/owner.h"
#include "tests/core/owner/quiet_effects.h"

namespace manta::owner {

inline constexpr ClientId kSelf{1};

// Objects are numbered by the test; that is how the log names them.
constexpr ObjectId object(std::uint64_t n) { return {0, n}; }
Value text(std::string_view content);
// What a resolved entry holds: "value ...", "error <code>", "block <offset>"; "open" before.
std::string content(const Entry& entry);
Outcome returns(std::string_view content);
Outcome throws();
sched::ResourceSet cpus(std::int64_t n);

class FakeRing final : public WorkerLink {
 public:
  explicit FakeRing(std::size_t capacity) : capacity_(capacity) {}
  // The worker begins the oldest task that has not started; null: none.
  Entry* start();
  std::vector<std::uint64_t> unstarted() const;  // numbers, oldest first
  std::vector<std::uint64_t> started() const;
  void forget(const Entry& entry) { std::erase(started_, &entry); }
  bool ended() const { return ended_; }
  bool answers_later = false;  // as a worker on another node: nothing is taken back at once

  bool push(Entry& entry) override;
  Entry* take_back_last() override;
  bool take_back(Entry& entry) override;
  Entry* next_lost() override;
  bool push_end() override;
  void running(std::vector<Entry*>& entries) const override;
  void replace(Entry& entry, Entry& by) override;

 private:
  std::size_t capacity_;
  bool ended_ = false;
  std::deque<Entry*> unstarted_;
  std::deque<Entry*> started_;
};

class RecordedOwner final : QuietEffects {
 public:
  explicit RecordedOwner(OwnerConfig config = {});

  // With one reference for the test, and watched.
  Entry* submit(std::uint64_t n) { return submit(task(n)); }
  Entry* submit(NewTask task);
  NewTask task(std::uint64_t n, std::int16_t max_retries = 3) const;
  Entry* put(std::uint64_t n, Value value = text("put"), const std::vector<Entry*>& contained = {});
  // A reference of another process' object, which this one borrows.
  Entry* borrow(std::uint64_t n, ClientId owner);
  void drop(Entry* entry);
  // An actor's handle, with one reference for the test.
  NewActor actor(std::uint64_t n, ActorLimits limits = {}) const;
  Entry* create(NewActor actor);
  Entry* create(std::uint64_t n, ActorLimits limits = {}) { return create(actor(n, limits)); }
  // Calls a method. With one reference for the test, and watched.
  Entry* call_method(Entry* handle, std::uint64_t n) { return call_method(handle, task(n)); }
  Entry* call_method(Entry* handle, NewTask task);
  // Drops the count, as Ref does outside the lock; the release is for the test to say.
  static void drop_count(Entry* entry) { entry->refs.fetch_sub(1); }

  // Lease n is on worker 100 + n.
  FakeRing& grant(std::uint64_t lease, std::size_t capacity = 1024, ShapeIndex shape = 0);
  // The same for the index-th actor of this process.
  FakeRing& grant_actor(std::uint64_t lease, std::uint32_t index = 0, std::size_t capacity = 1024);
  // From now on there is a link to the worker, which another process' actor lives on.
  FakeRing& connect(ClientId worker);
  Entry* start(std::uint64_t lease) { return rings_.at(lease)->start(); }
  void finish(Entry* entry, Outcome outcome = returns("done"));
  // All that waits in the ring starts and ends.
  void run_all(std::uint64_t lease);
  void worker_died(std::uint64_t lease) {
    call([&] { owner_.lease_ended(LeaseId{lease}, "was killed"); });
  }
  void receive(ClientId from, const PeerMessage& message) {
    call([&] { owner_.receive(from, message); });
  }
  // A millisecond each.
  void tick(int times = 1, bool others_wait = false);
  // Any other event.
  template <class F>
  std::invoke_result_t<F> call(F f) {
    struct Check {
      RecordedOwner& self;
      ~Check() { self.check(); }
    } check{*this};
    return f();
  }

  // Effects since the last call: "demand 4", "return 2", "free 64" (a block's offset), "resolved 7", and messages:
  // "to 5: fetch 7", "to 5: value of 7 (with 8)", "to 5: 7 borrowed by 6", "to 5: gives back 7, 2 times".
  // "restore 7", "free extent 4096". Of actors: "demand 1 for actor 0", "kill worker of 2" (a lease), "link to 101",
  // "drop name x of 7", "to 5: where is 7", "to 5: 7 is at 101", "to 5: 7 is gone", "to 5: kill 7".
  // "stop 7 in 101, with its children, by force", "to 5: cancel 7". Shapes other than 0: "demand 4 of shape 1".
  std::vector<std::string> log() { return std::exchange(log_, {}); }
  Owner& owner() { return owner_; }
  // Whether restore finds room; the block it takes is at 1'000'000 more than the object's number.
  bool room = true;
  std::vector<std::string> unread;  // failures that nothing has read: "task 7"
  std::size_t live() const { return owner_.objects().table().live(); }

 private:
  void set_demand(DemandIndex index, const sched::ResourceSet& request, std::uint32_t wanted) override;
  void return_lease(LeaseId lease) override;
  void kill_worker(LeaseId lease) override;
  void stop_task(ClientId worker, const TaskId& task, const Cancellation& how) override;
  WorkerLink* link_to(ClientId worker) override;
  void drop_name(const std::string& name, const ObjectId& actor) override;
  void send(ClientId to, PeerMessage message) override;
  void free(const Location& location) override;
  void restarts(const Restart& restart) override;
  std::chrono::nanoseconds now() const override { return now_; }
  void resolved(Entry& entry) override;
  void unread_failure(const std::string& what, const Error&) override { unread.push_back(what); }
  bool restore(Entry& entry) override;
  void check();

  std::vector<std::string> log_;
  std::chrono::nanoseconds now_{};
  std::map<std::uint64_t, std::unique_ptr<FakeRing>> rings_;
  std::map<ClientId, std::unique_ptr<FakeRing>> channels_;
  Owner owner_;
};

}  // namespace manta::owner
