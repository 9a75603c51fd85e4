// What programs do with a process: its half of the public API.
#include <algorithm>
#include <utility>

#include "core/testing/sim_process.h"
#include "core/testing/sim_world.h"

namespace manta::sim {

Variable SimProcess::adopt(owner::Entry* entry) {
  if (entry->resolved.load() && entry->value.failed()) failed_[entry->id] = entry->value.error().code();
  entry->watched = true;
  Variable variable{
      entry, {entry->owned ? id_ : original(entry->owner), entry->id}, entry->owned ? task_of(*entry) : 0};
  variable.actor = world_.oracle.is_actor(variable.name());
  return variable;
}

Variable SimProcess::copy(const Variable& variable) {
  if (variable.entry->phase == owner::Phase::unused || variable.entry->id != variable.key.id) {
    world_.oracle.fail("OWN-3: object " + variable.key.id.to_string() + " was freed while a program held it");
  }
  detail::retain(variable.entry);
  return variable;
}

void SimProcess::drop(const Variable& variable) {
  if (variable.entry->phase == owner::Phase::unused || variable.entry->id != variable.key.id) {
    return world_.oracle.fail("OWN-3: object " + variable.key.id.to_string() + " was freed while a program held it");
  }
  if (variable.entry->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) schedule_release(*variable.entry);
}

void SimProcess::schedule_release(owner::Entry& entry) {
  if (world_.random.chance(40)) return owner_->objects().release_last(entry);
  ++releases_;
  world_.schedule.after(world_.random_time(world_.options.release_delay), [this, &entry] {
    --releases_;
    if (!alive()) return;
    owner_->objects().release_last(entry);
    after_event();
  });
}

Variable SimProcess::submit(owner::NewTask task, bool stored_arguments) {
  Payload payload{0, task.id, {}};
  for (owner::Entry* entry : task.contained) payload.refs.push_back(export_ref(*entry));
  task.arguments = encode(payload, world_.store, stored_arguments ? id_ : ClientId{});
  const owner::ShapeIndex shape = task.shape;
  if (requests_.size() <= shape) requests_.resize(shape + 1u);
  for (const RequestShape& known : world_.shapes) {
    if (owner_->leases().shape_of(known.request) == shape) requests_[shape] = known.request;
  }
  const TaskId id = task.id;
  const int max_retries = task.max_retries;
  const bool retry_exceptions = task.retry_exceptions;
  world_.trace.record("%c submits %o, shape %u, retries %u", id_, id, shape, static_cast<std::uint64_t>(max_retries));
  const std::uint64_t number = world_.oracle.submitted({id_, id}, max_retries, retry_exceptions);
  world_.oracle.submitted_by(number, executor_.run());
  auto& ids = references_[number];
  for (const owner::Entry* reference : task.references) ids.push_back(reference->id);
  submitting_ = {id, number};  // it may be in a ring before submit returns
  owner::Entry* entry = owner_->tasks().submit(std::move(task));
  submitting_ = {};
  tasks_[entry] = number;
  world_.oracle.made(number, entry);
  if (entry->resolved.load()) world_.oracle.resolved(number, *entry, excused(*entry, number));
  const Variable result = adopt(entry);
  if (orphaned_) fail_open_work();
  return result;
}

Variable SimProcess::put(ObjectId id, std::vector<owner::Entry*> contained, bool stored) {
  Payload payload{0, id, {}};
  std::vector<ObjectKey> keys;
  for (owner::Entry* entry : contained) {
    payload.refs.push_back(export_ref(*entry));
    keys.push_back(key_of(payload.refs.back()));
  }
  world_.trace.record("%c puts %o", id_, id);
  owner::Entry* entry =
      owner_->objects().put(id, encode(payload, world_.store, stored ? id_ : ClientId{}), std::move(contained));
  tasks_[entry] = world_.oracle.put({id_, id}, std::move(keys));
  world_.oracle.made(tasks_[entry], entry);
  return adopt(entry);
}

detail::WireRef SimProcess::export_ref(owner::Entry& entry) {
  const ObjectId before = entry.id;
  const detail::WireRef ref = owner_->borrowing().export_ref(entry);
  if (entry.owned) world_.oracle.named(task_of(entry), ref.object);
  if (ref.object == before) return ref;
  world_.trace.record("%c: %o has a namesake, it is %o now", id_, before, ref.object);
  if (entry.resolved.load() && entry.value.failed()) failed_[ref.object] = entry.value.error().code();
  const auto rename = [&](Variable& variable) {
    if (variable.entry == &entry) variable.key.id = ref.object;
  };
  for (Variable& variable : kept_) rename(variable);
  executor_.for_each_variable(rename);
  for (auto& [task, ids] : references_) {
    if (std::find(ids.begin(), ids.end(), before) != ids.end()) ids.push_back(ref.object);
  }
  return ref;
}

Variable SimProcess::import(const detail::WireRef& ref) { return adopt(owner_->borrowing().import(ref, false)); }

void SimProcess::want(owner::Entry& entry) {
  entry.watched = true;
  owner_->tasks().want(entry);
  if (orphaned_) fail_open_work();
}

void SimProcess::cancel(const Variable& variable, bool recursive) {
  world_.trace.record("%c cancels %o, recursive %u", id_, variable.key.id, recursive);
  drain({});
  if (variable.entry->owned) world_.oracle.cancelled(variable.name(), recursive);
  if (!owner_->cancelling().cancel(*variable.entry, {false, recursive, "a program"}))
    world_.oracle.fail("OWN-14: a cancel is refused");
}

void SimProcess::keep(const Variable& variable) {
  kept_.push_back(variable);
  world_.schedule.after(world_.random_time(std::chrono::milliseconds(30)), [this] {
    if (!alive() || kept_.empty()) return;
    const std::size_t i = world_.random.below(kept_.size());
    drop(kept_[i]);
    kept_.erase(kept_.begin() + static_cast<std::ptrdiff_t>(i));
    after_event();
  });
}

bool SimProcess::take_kept(Random& random, Variable& kept) {
  if (kept_.empty()) return false;
  const Variable& chosen = kept_[random.below(kept_.size())];
  if (!world_.oracle.settled(chosen.name())) return false;
  kept = copy(chosen);
  return true;
}

void SimProcess::mail(const Variable& variable, Random& random) {
  if (orphaned_) return;
  // References to other processes' objects stay on this machine: if the machine died in between, the owner would
  // count the receiver as a borrower for ever.
  std::vector<ClientId> receivers;
  for (const auto& [client, process] : world_.processes) {
    if (!process->joined() || client == id_ || client == variable.key.owner) continue;
    if (variable.key.owner != id_ && node_of(client) != node_of(id_)) continue;
    // Nor across machines before the head knows both: it announces deaths only of, and to, those it knows.
    const auto known = [&](NodeId node) { return world_.known_nodes.contains(node); };
    if (node_of(client) != node_of(id_) && !(known(node_of(client)) && known(node_of(id_)))) continue;
    receivers.push_back(client);
  }
  if (receivers.empty()) return;
  const ClientId to = receivers[random.below(receivers.size())];
  world_.trace.record("%c mails %o to %c", id_, variable.key.id, to);
  const detail::WireRef ref = export_ref(*variable.entry);
  owner_->borrowing().add_borrower(*variable.entry, to);
  send_to_node(message::Mail{id_, to, ref, world_.oracle.unsure(id_, ref.object)});
}

void SimProcess::sweep() {
  if (!alive() || !world_.oracle.reachable(id_)) return;
  const auto check = [&](const Variable& variable) { world_.oracle.check_reachable(id_, variable.name()); };
  for (const Variable& variable : kept_) check(variable);
  executor_.for_each_variable(check);
  owner_->objects().table().for_each([&](const owner::Entry& entry) {
    if (entry.refs.load() > 0 && !entry.owned)
      world_.oracle.check_reachable(id_, ObjectKey{original(entry.owner), entry.id});
  });
}

}  // namespace manta::sim
