// What a part of a client is made with, for tests of one part alone: a ProcessState on a page of its own, an owner with
// recorded effects, a node that records messages, results and waits that a test plays by hand.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include <manta/serial/reader.h>
#include <manta/serial/writer.h>

#include "core/base/mutex.h"
#include "core/client/function_table.h"
#include "core/client/process_state.h"
#include "core/client/results.h"
#include "core/client/task_context.h"
#include "core/client/to_node.h"
#include "core/client/waits.h"
#include "tests/core/owner/quiet_effects.h"

namespace manta::client {

inline constexpr NodeId kHere{1}, kThere{2};
inline constexpr ClientId kSelf = client_of(kHere, 1), kWorker = client_of(kHere, 2), kOther = client_of(kHere, 3);
inline constexpr ClientId kFarWorker = client_of(kThere, 1), kFarOwner = client_of(kThere, 2);
inline constexpr std::chrono::seconds kPatience{20};  // far more than a loaded machine needs

constexpr ObjectId object(std::uint64_t n) { return {7, n}; }
inline owner::Value bytes_of(std::string_view text) {
  return owner::Value::copy_of(std::as_bytes(std::span(text)), false);
}
inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline owner::Outcome returns(std::string_view text) {
  owner::Outcome outcome;
  outcome.value = bytes_of(text);
  return outcome;
}
inline owner::Outcome fails(ErrorCode code, std::string why) {
  owner::Outcome outcome;
  outcome.value = owner::Value::of(Error(code, std::move(why)));
  return outcome;
}
inline sched::ResourceSet cpus(std::int64_t n) { return {.cpus = sched::Amount::from_units(n * 10'000)}; }

// The error that f throws; one without a message where it throws none.
template <class F>
Error error_of(F f) {
  try {
    f();
  } catch (const Error& error) {
    return error;
  }
  return {ErrorCode::internal, ""};
}

// Waits until `done`, which another thread brings about. False: kPatience is over.
template <class Predicate>
bool comes_true(Predicate done) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!done()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  return true;
}

// The node, which records what it is sent. Threading: any thread.
class RecordedNode final : public ToNode {
 public:
  // --- ToNode
  void send(const net::ClientMessage& message) override {
    {
      const MutexLock guard(mutex_);
      messages_.push_back(net::encode(message));
    }
    if (on_send) on_send(message);
  }
  void send_to_peer(ClientId to, const net::PeerPacket& packet) override {
    const MutexLock guard(mutex_);
    packets_.emplace_back(to, net::encode(packet));
  }
  Result<void> try_send(const net::ClientMessage& message) override {
    if (refuses) return fail(ErrorCode::invalid_argument, "the message is too long");
    send(message);
    return {};
  }
  void wait_for_space() override { ++waits_for_space; }

  // All messages of a kind so far, in order.
  template <class Message>
  std::vector<Message> sent() {
    const MutexLock guard(mutex_);
    std::vector<Message> found;
    for (const auto& bytes : messages_) {
      net::ClientMessage message = net::decode_client_message(bytes).value();
      if (auto* one = std::get_if<Message>(&message)) found.push_back(std::move(*one));
    }
    return found;
  }
  // The same of packets to a process.
  template <class Packet>
  std::vector<Packet> sent_to(ClientId to) {
    const MutexLock guard(mutex_);
    std::vector<Packet> found;
    for (const auto& [receiver, bytes] : packets_) {
      net::PeerPacket packet = net::decode_peer_packet(bytes).value();
      auto* one = std::get_if<Packet>(&packet);
      if (receiver == to && one != nullptr) found.push_back(std::move(*one));
    }
    return found;
  }
  // Blocks until another thread has sent the n-th message of the kind; returns it.
  template <class Message>
  Message await(std::size_t n = 1) {
    if (!comes_true([&] { return sent<Message>().size() >= n; })) throw std::runtime_error("no such message was sent");
    return std::move(sent<Message>()[n - 1]);
  }
  template <class Packet>
  Packet await_to(ClientId to, std::size_t n = 1) {
    if (!comes_true([&] { return sent_to<Packet>(to).size() >= n; }))
      throw std::runtime_error("no such packet was sent");
    return std::move(sent_to<Packet>(to)[n - 1]);
  }

  std::atomic<bool> refuses{false};  // try_send fails with invalid_argument
  std::atomic<int> waits_for_space{0};
  std::function<void(const net::ClientMessage&)> on_send;  // in the sending thread

 private:
  Mutex mutex_;
  std::vector<std::vector<std::byte>> messages_ MANTA_GUARDED_BY(mutex_);
  std::vector<std::pair<ClientId, std::vector<std::byte>>> packets_ MANTA_GUARDED_BY(mutex_);
};

class FakeResults final : public Results {
 public:
  bool drain() override {
    ++drains;
    return on_drain && on_drain();
  }
  bool prepare_sleep() override {
    ++sleeps;
    return quiet;
  }
  bool waits_for_this_cpu() override { return false; }

  std::function<bool()> on_drain;
  std::atomic<int> drains{0}, sleeps{0};
  std::atomic<bool> quiet{true};
};

// Waits that another thread of the test would end: on_wait is what happens meanwhile.
class FakeWaits final : public Waits {
 public:
  bool wait_for(const std::function<bool()>& done, detail::Deadline) override {
    ++waits;
    if (!done() && on_wait) on_wait();
    return done();
  }
  bool wait_resolved(owner::Entry& entry, detail::Deadline deadline) override {
    return wait_for([&] { return entry.resolved.load(); }, deadline);
  }

  std::function<void()> on_wait;
  int waits = 0;
};

// The owner's effects, with the mutex.
class RecordedEffects final : public owner::QuietEffects {
 public:
  struct Stopped {
    ClientId worker;
    TaskId task;
    owner::Cancellation how;
  };

  void set_demand(owner::DemandIndex index, const sched::ResourceSet&, std::uint32_t wanted) override {
    demands.emplace_back(index, wanted);
  }
  void return_lease(LeaseId lease) override { returned.push_back(lease); }
  void kill_worker(LeaseId lease) override { killed.push_back(lease); }
  owner::WorkerLink* link_to(ClientId worker) override { return link ? link(worker) : nullptr; }
  void drop_name(const std::string& name, const ObjectId&) override { dropped_names.push_back(name); }
  void send(ClientId to, owner::PeerMessage message) override { sent.emplace_back(to, std::move(message)); }
  void stop_task(ClientId worker, const TaskId& task, const owner::Cancellation& how) override {
    stopped.push_back({worker, task, how});
  }
  void free(const owner::Location& location) override {
    if (const auto* block = std::get_if<owner::StoredLocation>(&location)) freed.push_back(*block);
    if (on_free) on_free(location);
  }
  void unused(const owner::StoredLocation& location) override { unused_places.push_back(location); }
  bool restore(owner::Entry& entry) override { return on_restore && on_restore(entry); }
  std::chrono::nanoseconds now() const override { return std::chrono::steady_clock::now().time_since_epoch(); }
  void resolved(owner::Entry& entry) override {
    if (on_resolved) on_resolved(entry);
  }

  std::function<owner::WorkerLink*(ClientId)> link;
  std::function<void(owner::Entry&)> on_resolved;
  std::function<void(const owner::Location&)> on_free;
  std::function<bool(owner::Entry&)> on_restore;
  std::vector<std::pair<owner::DemandIndex, std::uint32_t>> demands;
  std::vector<LeaseId> returned, killed;
  std::vector<std::string> dropped_names;
  std::vector<std::pair<ClientId, owner::PeerMessage>> sent;
  std::vector<Stopped> stopped;
  std::vector<owner::StoredLocation> freed, unused_places;
};

// Zeros, sparse, as a node makes it.
class FakePage {
 public:
  explicit FakePage(std::uint64_t store_capacity_bytes)
      : memory_(::mmap(nullptr, sizeof(net::NodePage), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {
    if (memory_ == MAP_FAILED) throw std::bad_alloc();
    get().magic = net::NodePage::kMagic;
    get().store_capacity_bytes = store_capacity_bytes;
  }
  ~FakePage() { ::munmap(memory_, sizeof(net::NodePage)); }
  FakePage(const FakePage&) = delete;
  FakePage& operator=(const FakePage&) = delete;
  net::NodePage& get() { return *static_cast<net::NodePage*>(memory_); }

 private:
  void* memory_;
};

class FakeProcess : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kStoreBytes = 1 << 20;

  static net::Welcome default_welcome() {
    net::Welcome welcome;
    welcome.client = welcome.driver = kSelf;
    welcome.slot = 1;
    welcome.host = "here";
    welcome.num_cpus = 2;
    welcome.spill_directory = "none";
    welcome.nodes = {{kHere, "here", {}}, {kThere, "there", {}}};
    return welcome;
  }
  explicit FakeProcess(net::Welcome welcome = default_welcome()) : state(std::move(welcome), page_.get()) {
    owner::OwnerConfig config;
    config.function_name = &detail::name_of_function;
    const OwnerLock guard(state);
    state.owner = std::make_unique<owner::Owner>(kSelf, config, effects);
    shape = state.owner->leases().shape_of(cpus(1));
  }
  ~FakeProcess() override {
    current_task() = nullptr;
    const OwnerLock guard(state);
    state.owner.reset();
  }

  template <class F>
  auto locked(F f) {
    const OwnerLock guard(state);
    return f();
  }
  owner::NewTask task(std::uint64_t n, std::string_view arguments = "arguments") {
    owner::NewTask made;
    made.id = object(n);
    made.shape = shape;
    made.arguments = bytes_of(arguments);
    return made;
  }
  // With one reference for the test.
  owner::Entry* submit(owner::NewTask made) {
    return locked([&] { return state.owner->tasks().submit(std::move(made)); });
  }
  owner::Entry* submit(std::uint64_t n) { return submit(task(n)); }
  owner::Entry* put(std::uint64_t n, owner::Value value) {
    return locked([&] { return state.owner->objects().put(object(n), std::move(value), {}); });
  }
  // A reference to an object of another process.
  owner::Entry* borrow(std::uint64_t n, ClientId owner = kOther) {
    return locked([&] { return state.owner->borrowing().import({object(n), owner}, true); });
  }
  // Of a task that is queued: it runs here, at once.
  void finish(owner::Entry& entry, owner::Outcome outcome = returns("done")) {
    locked([&] { finish_locked(entry, std::move(outcome)); });
  }
  void finish_locked(owner::Entry& entry, owner::Outcome outcome = returns("done")) {
    if (!state.owner->leases().claim(entry)) throw std::logic_error("the task is not queued");
    state.owner->finished(entry, std::move(outcome));
  }
  // The test's reference is gone.
  void drop(owner::Entry* entry) {
    locked([&] { state.owner->objects().unhold(*entry); });
  }
  void resolve_borrowed(owner::Entry& entry, std::string_view text) {
    locked([&] { state.owner->receive(entry.owner, owner::Fetched{entry.id, bytes_of(text), {}}); });
  }
  // An actor of this process, pending; its handle.
  owner::Entry* create_actor(std::uint64_t n, std::string name = {}) {
    owner::NewActor made;
    made.constructor = task(n);
    made.held_back = !name.empty();
    made.name = std::move(name);
    return locked([&] {
      owner::Entry* handle = state.owner->actors().create(std::move(made));
      (void)state.owner->borrowing().export_ref(*handle);
      return handle;
    });
  }
  std::string invariants() {
    return locked([&] { return state.owner->check_invariants(); });
  }

 private:
  FakePage page_{kStoreBytes};

 public:
  RecordedEffects effects;  // with the mutex
  RecordedNode node;
  FakeResults results;
  FakeWaits waits;
  ProcessState state;
  owner::ShapeIndex shape = 0;
};

// While it lives, this thread runs a task, which other threads can ask to stop.
struct InTask {
  explicit InTask(const TaskId& id) {
    running.begin(id, kSelf);
    context.id = id;
    context.running = &running;
    context.outer = current_task();
    current_task() = &context;
  }
  ~InTask() { current_task() = context.outer; }
  InTask(const InTask&) = delete;
  InTask& operator=(const InTask&) = delete;

  RunningTask running{RunningTask::Place::thread};
  TaskContext context;
};

}  // namespace manta::client
