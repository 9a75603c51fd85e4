#include "tests/core/owner/recorded_owner.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace manta::owner {

namespace {

std::string number(std::uint64_t n) { return std::to_string(n); }

std::vector<std::uint64_t> numbers(const std::deque<Entry*>& entries) {
  std::vector<std::uint64_t> out;
  for (const Entry* entry : entries) out.push_back(entry->id.low);
  return out;
}

struct Words {
  std::string operator()(const Fetch& fetch) const { return "fetch " + number(fetch.object.low); }
  std::string operator()(const Fetched& fetched) const {
    std::string out = (fetched.value.failed() ? "error of " : "value of ") + number(fetched.object.low);
    if (fetched.contained.empty()) return out;
    out += " (with";
    for (const detail::WireRef& ref : fetched.contained) out += " " + number(ref.object.low);
    return out + ")";
  }
  std::string operator()(const AddBorrower& borrower) const {
    return number(borrower.object.low) + " borrowed by " + number(borrower.client.value);
  }
  std::string operator()(const FindActor& find) const { return "where is " + number(find.actor.low); }
  std::string operator()(const ActorAt& at) const { return number(at.actor.low) + " is at " + number(at.worker.value); }
  std::string operator()(const ActorGone& gone) const { return number(gone.actor.low) + " is gone"; }
  std::string operator()(const KillActor& kill) const {
    return "kill " + number(kill.actor.low) + (kill.restart ? ", restart" : "");
  }
  std::string operator()(const OwnerDied& died) const { return number(died.owner.value) + " is dead"; }
  std::string operator()(const AdoptActor& adopt) const { return "a handle of " + number(adopt.actor.low) + "?"; }
  std::string operator()(const Adopted& adopted) const { return adopted.alive ? "adopted" : "not adopted"; }
  std::string operator()(const Passed& passed) const { return number(passed.ref.object.low) + " is yours"; }
  std::string operator()(const CancelTask& cancel) const { return "cancel " + number(cancel.object.low); }
  std::string operator()(const NotReplicated& lost) const { return number(lost.object.low) + " was not inherited"; }
  std::string operator()(const StreamItems& items) const { return "items of " + number(items.stream.low); }
  std::string operator()(const StreamCredit& credit) const {
    return number(credit.stream.low) + " may go to " + std::to_string(credit.limit);
  }
  std::string operator()(const StreamStop& stop) const { return "stop " + number(stop.stream.low); }
  std::string operator()(const RemoveBorrower& back) const {
    return "gives back " + number(back.object.low) + ", " + std::to_string(back.count) + " times";
  }
};

}  // namespace

Value text(std::string_view content) { return Value::copy_of(std::as_bytes(std::span(content)), false); }

std::string content(const Entry& entry) {
  if (!entry.resolved.load()) return "open";
  if (entry.value.failed()) return "error " + std::string(to_string(entry.value.error().code()));
  if (entry.value.in_arena()) return "block " + number(entry.value.stored().offset);
  if (entry.value.spilled()) return "extent " + number(std::get<SpilledExtent>(entry.value.location()).offset);
  const std::span<const std::byte> bytes = entry.value.bytes();
  return "value " + std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

Outcome returns(std::string_view content) {
  Outcome outcome;
  outcome.value = text(content);
  return outcome;
}

Outcome throws() {
  Outcome outcome;
  outcome.value = Value::of(Error(TaskFailure{.type = "std::runtime_error", .what = "no"}));
  outcome.user_exception = true;
  return outcome;
}

sched::ResourceSet cpus(std::int64_t n) { return {.cpus = sched::Amount::from_units(n * 10'000)}; }

// --- FakeRing

Entry* FakeRing::start() {
  if (unstarted_.empty()) return nullptr;
  started_.push_back(unstarted_.front());
  unstarted_.pop_front();
  return started_.back();
}

std::vector<std::uint64_t> FakeRing::unstarted() const { return numbers(unstarted_); }
std::vector<std::uint64_t> FakeRing::started() const { return numbers(started_); }

bool FakeRing::push(Entry& entry) {
  if (unstarted_.size() + started_.size() >= capacity_) return false;
  unstarted_.push_back(&entry);
  return true;
}

Entry* FakeRing::take_back_last() {
  if (unstarted_.empty()) return nullptr;
  Entry* entry = unstarted_.back();
  unstarted_.pop_back();
  return entry;
}

bool FakeRing::take_back(Entry& entry) { return !answers_later && std::erase(unstarted_, &entry) == 1; }

Entry* FakeRing::next_lost() {
  if (started_.empty()) return nullptr;
  Entry* entry = started_.front();
  started_.pop_front();
  return entry;
}

bool FakeRing::push_end() {
  if (unstarted_.size() + started_.size() >= capacity_) return false;
  ended_ = true;
  return true;
}

void FakeRing::running(std::vector<Entry*>& entries) const {
  entries.insert(entries.end(), started_.begin(), started_.end());
}

void FakeRing::replace(Entry& entry, Entry& by) { std::replace(started_.begin(), started_.end(), &entry, &by); }

// --- RecordedOwner

RecordedOwner::RecordedOwner(OwnerConfig config) : owner_(kSelf, config, *this) { owner_.leases().shape_of(cpus(1)); }

NewTask RecordedOwner::task(std::uint64_t n, std::int16_t max_retries) const {
  NewTask task;
  task.id = object(n);
  task.max_retries = max_retries;
  task.arguments = text("arguments");
  return task;
}

Entry* RecordedOwner::submit(NewTask task) {
  for (Entry* inside : task.contained) detail::retain(inside);
  Entry* entry = call([&] { return owner_.tasks().submit(std::move(task)); });
  entry->watched = true;
  return entry;
}

Entry* RecordedOwner::put(std::uint64_t n, Value value, const std::vector<Entry*>& contained) {
  for (Entry* inside : contained) detail::retain(inside);
  return call([&] { return owner_.objects().put(object(n), std::move(value), contained); });
}

Entry* RecordedOwner::borrow(std::uint64_t n, ClientId owner) {
  return call([&] { return owner_.borrowing().import({object(n), owner}, true); });
}

void RecordedOwner::drop(Entry* entry) {
  if (entry->refs.fetch_sub(1) == 1) call([&] { owner_.objects().release_last(*entry); });
}

NewActor RecordedOwner::actor(std::uint64_t n, ActorLimits limits) const {
  NewActor actor;
  actor.constructor = task(n);
  actor.request = cpus(1);
  actor.limits = limits;
  return actor;
}

Entry* RecordedOwner::create(NewActor actor) {
  for (Entry* inside : actor.constructor.contained) detail::retain(inside);
  return call([&] { return owner_.actors().create(std::move(actor)); });
}

Entry* RecordedOwner::call_method(Entry* handle, NewTask task) {
  for (Entry* inside : task.contained) detail::retain(inside);
  Entry* entry = call([&] { return owner_.actors().call(*handle, std::move(task)); });
  entry->watched = true;
  return entry;
}

FakeRing& RecordedOwner::grant_actor(std::uint64_t lease, std::uint32_t index, std::size_t capacity) {
  FakeRing& ring = *(rings_[lease] = std::make_unique<FakeRing>(capacity));
  call([&] { owner_.actors().granted(kFirstActor + index, LeaseId{lease}, ClientId{100 + lease}, ring); });
  return ring;
}

FakeRing& RecordedOwner::connect(ClientId worker) { return *(channels_[worker] = std::make_unique<FakeRing>(1024)); }

FakeRing& RecordedOwner::grant(std::uint64_t lease, std::size_t capacity, ShapeIndex shape) {
  FakeRing& ring = *(rings_[lease] = std::make_unique<FakeRing>(capacity));
  call([&] { owner_.leases().granted(LeaseId{lease}, ClientId{100 + lease}, shape, ring); });
  return ring;
}

void RecordedOwner::finish(Entry* entry, Outcome outcome) {
  for (const auto& [lease, ring] : rings_) ring->forget(*entry);
  for (const auto& [worker, ring] : channels_) ring->forget(*entry);
  call([&] { owner_.finished(*entry, std::move(outcome)); });
}

void RecordedOwner::run_all(std::uint64_t lease) {
  while (Entry* entry = start(lease)) finish(entry);
}

void RecordedOwner::tick(int times, bool others_wait) {
  for (int i = 0; i < times; ++i) {
    now_ += std::chrono::milliseconds(1);
    call([&] { owner_.tick(others_wait); });
  }
}

void RecordedOwner::check() { ASSERT_EQ(owner_.check_invariants(), ""); }

void RecordedOwner::restarts(const Restart& restart) {
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(restart.delay).count();
  log_.push_back("restart " + number(restart.number) + (restart.in_constructor ? " of a constructor" : "") +
                 (restart.asked_for ? " as asked" : "") + " in " + std::to_string(milliseconds) + " ms");
}

void RecordedOwner::set_demand(DemandIndex index, const sched::ResourceSet& request, std::uint32_t wanted) {
  if (index >= kFirstActor) {
    log_.push_back("demand " + number(wanted) + " for actor " + number(index - kFirstActor));
    return;
  }
  EXPECT_EQ(request, owner_.leases().request_of(static_cast<ShapeIndex>(index)));
  log_.push_back("demand " + number(wanted) + (index == 0 ? "" : " of shape " + number(index)));
}

void RecordedOwner::kill_worker(LeaseId lease) { log_.push_back("kill worker of " + number(lease.value)); }

WorkerLink* RecordedOwner::link_to(ClientId worker) {
  const auto it = channels_.find(worker);
  if (it != channels_.end()) return it->second.get();
  log_.push_back("link to " + number(worker.value));
  return nullptr;
}

void RecordedOwner::stop_task(ClientId worker, const TaskId& task, const Cancellation& how) {
  log_.push_back("stop " + number(task.low) + " in " + number(worker.value) +
                 (how.recursive ? ", with its children" : "") + (how.force ? ", by force" : ""));
}

void RecordedOwner::drop_name(const std::string& name, const ObjectId& actor) {
  log_.push_back("drop name " + name + " of " + number(actor.low));
}

void RecordedOwner::return_lease(LeaseId lease) { log_.push_back("return " + number(lease.value)); }

void RecordedOwner::send(ClientId to, PeerMessage message) {
  log_.push_back("to " + number(to.value) + ": " + std::visit(Words{}, message));
}

void RecordedOwner::free(const Location& location) {
  const auto* const extent = std::get_if<SpilledExtent>(&location);
  log_.push_back(extent != nullptr ? "free extent " + number(extent->offset)
                                   : "free " + number(std::get<StoredLocation>(location).offset));
}

bool RecordedOwner::restore(Entry& entry) {
  if (!room) return false;
  log_.push_back("restore " + number(entry.id.low));
  owner_.spilling().restored(entry, {kSelf, 1'000'000 + entry.id.low, size_of(entry.value.location())});
  return true;
}

void RecordedOwner::resolved(Entry& entry) { log_.push_back("resolved " + number(entry.id.low)); }

}  // namespace manta::owner
