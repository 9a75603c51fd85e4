#include "core/testing/sim_oracle.h"

#include <algorithm>

#include "core/testing/sim_ids.h"

namespace manta::sim {

bool Oracle::reachable(ClientId client) const { return alive_.contains(client) && !cut_off_.contains(node_of(client)); }

Oracle::Record& Oracle::new_record(ObjectKey key) {
  records_.push_back({});
  Record& record = records_.back();
  record.key = key;
  record.first_id = key.id;
  by_key_.emplace(key, records_.size());  // unless a namesake has it
  return record;
}

Oracle::Record* Oracle::find(const ObjectName& name) {
  if (name.number != 0) return &records_[name.number - 1];
  const auto it = by_key_.find(name.key);
  return it == by_key_.end() ? nullptr : &records_[it->second - 1];
}

const Oracle::Record* Oracle::find(const ObjectName& name) const { return const_cast<Oracle*>(this)->find(name); }

std::string Oracle::describe(const Record& record) const {
  const char* kind = record.is_actor ? "actor " : record.actor != 0 ? "call " : record.task ? "task " : "put ";
  return kind + record.key.id.to_string() + " of " + name_of_client(record.key.owner.value);
}

std::uint64_t Oracle::submitted(ObjectKey key, int max_retries, bool retry_exceptions) {
  Record& record = new_record(key);
  record.task = true;
  record.max_retries = max_retries;
  record.retry_exceptions = retry_exceptions;
  ++tasks_;
  return records_.size();
}

void Oracle::cancelled(const ObjectName& name, bool recursive) {
  Record* record = find(name);
  if (record == nullptr || record->state != State::open) return;
  record->cancelled = true;
  record->cancels_children = record->cancels_children || recursive;
}

bool Oracle::cancel_explains(const Record& record) const {
  if (record.cancelled) return true;
  for (std::uint64_t parent = record.parent; parent != 0; parent = records_[parent - 1].parent) {
    if (records_[parent - 1].cancels_children) return true;
  }
  return false;
}

std::uint64_t Oracle::put(ObjectKey key, std::vector<ObjectKey> contained) {
  Record& record = new_record(key);
  record.state = State::value;
  record.contained = std::move(contained);
  return records_.size();
}

void Oracle::named(std::uint64_t object, ObjectId id) {
  Record& record = records_[object - 1];
  record.key.id = id;
  by_key_[record.key] = object;
}

std::uint64_t Oracle::started(std::uint64_t task, ClientId worker, bool wanted) {
  Record& record = records_[task - 1];
  if (record.is_actor) check_actor_start(record, actors_.at(task), worker);
  if (record.actor != 0 && wanted) check_call_start(task, worker);
  if (wanted && record.state != State::open && !record.is_actor) {
    fail("OWN-1: " + describe(record) + " starts although it is resolved");
  }
  if (wanted && record.cancelled && record.state == State::open) {
    fail("OWN-14: " + describe(record) + " starts although it was cancelled");
  }
  if (wanted && record.last_run != 0) {
    const Run& before = runs_[record.last_run - 1];
    if (before.state == RunState::running && alive(before.worker)) {
      fail("OWN-4: " + describe(record) + " starts while its last attempt still runs");
    }
    if (before.state == RunState::returned && !record.is_actor && !doomed_.contains(before.worker)) {
      fail("OWN-1: " + describe(record) + " starts again although it has returned a value");
    }
  }
  runs_.push_back({task, worker, RunState::running, {}});
  record.last_run = runs_.size();
  ++record.starts;
  if (wanted && record.max_retries >= 0 && record.starts > static_cast<std::uint32_t>(record.max_retries) + 1) {
    fail("OWN-2: " + describe(record) + " starts more often than its retries allow");
  }
  return runs_.size();
}

void Oracle::returned(std::uint64_t run, std::vector<ObjectKey> contained) {
  runs_[run - 1].state = RunState::returned;
  runs_[run - 1].contained = std::move(contained);
}

void Oracle::threw(std::uint64_t run) { runs_[run - 1].state = RunState::threw; }

void Oracle::resolved(std::uint64_t task, const owner::Entry& entry, bool excused) {
  Record& record = records_[task - 1];
  if (record.state != State::open) {
    fail("OWN-1: " + describe(record) + " is resolved twice");
    return;
  }
  if (!entry.resolved.load() || entry.id != record.key.id) {
    fail("OWN-1: " + describe(record) + " is reported as resolved and is not");
    return;
  }
  if (entry.value.failed()) {
    record.state = State::error;
    record.code = entry.value.error().code();
    check_task_error(record, record.code, excused);
    return;
  }
  record.state = State::value;
  if (record.actor != 0) ++calls_;
  Payload payload;
  if (decode(entry.value, store_, payload)) record.value_run = payload.run;
  check_value(record, entry.value, record.key.owner);
  if (record.value_run != 0 && record.value_run <= runs_.size())
    record.contained = runs_[record.value_run - 1].contained;
}

void Oracle::check_task_error(const Record& record, ErrorCode code, bool excused) {
  if (code == ErrorCode::cancelled && cancel_explains(record)) {
    ++cancels_;
    return;
  }
  if (excused) return;
  if (record.cancelled)
    return fail("OWN-14: cancelled " + describe(record) + " failed with " + std::string(to_string(code)));
  if (record.actor != 0) return check_call_error(record, code);
  const std::string what = describe(record) + " failed with " + std::string(to_string(code));
  if (record.last_run == 0) return fail("OWN-1: " + what + " without having started");
  const Run& run = runs_[record.last_run - 1];
  const bool exhausted = record.max_retries >= 0 && record.starts == static_cast<std::uint32_t>(record.max_retries) + 1;
  if (code == ErrorCode::task_failed) {
    if (run.state != RunState::threw) fail("OWN-1: " + what + " although its last attempt did not throw");
    if (record.retry_exceptions && !exhausted) fail("OWN-2: " + what + " with attempts left");
  } else if (code == ErrorCode::worker_died) {
    if (run.state == RunState::returned) fail("OWN-1: " + what + " although it returned a value");
    if (run.state == RunState::running && alive(run.worker)) fail("OWN-1: " + what + " although it still runs");
    if (!exhausted) {
      fail("OWN-2: " + what + " after " + std::to_string(record.starts) + " started attempts; " +
           std::to_string(record.max_retries + 1) + " are allowed");
    }
  } else {
    fail("OWN-1: " + what + ", which nothing explains");
  }
}

void Oracle::check_value(const Record& record, const owner::Value& value, ClientId reader) {
  const std::string what = describe(record) + ", read by " + name_of_client(reader.value);
  Payload payload;
  if (!decode(value, store_, payload)) {
    if (!unsure(reader, record.key.id)) fail("OWN-3: " + what + ": the value is gone or damaged");
    return;
  }
  if (!record.task && payload.object != record.first_id) return fail("OWN-1: " + what + ": the value is another's");
  const std::vector<ObjectKey>* contained = &record.contained;
  if (record.task) {
    if (payload.run == 0 || payload.run > runs_.size()) return fail("OWN-1: " + what + ": no run made the value");
    const Run& run = runs_[payload.run - 1];
    if (&records_[run.task - 1] != &record) {
      return fail("OWN-1: " + what + ": the value is another task's");
    }
    if (run.state != RunState::returned) return fail("OWN-1: " + what + ": the value's attempt did not return");
    contained = &run.contained;
  }
  const bool same = std::equal(payload.refs.begin(), payload.refs.end(), contained->begin(), contained->end(),
                               [](const detail::WireRef& ref, const ObjectKey& key) { return key_of(ref) == key; });
  if (!same) fail("OWN-3: " + what + ": other references inside than were put there");
}

void Oracle::got(ClientId reader, const ObjectName& name, const owner::Value& value) {
  const Record* record = find(name);
  if (record == nullptr) return fail("a process reads an object that was never made: " + name.key.id.to_string());
  if (!value.failed()) {
    if (record->state != State::value) return fail("OWN-1: " + describe(*record) + ": a value before it was resolved");
    if (!alive(record->key.owner)) ++adoptions_read_;
    return check_value(*record, value, reader);
  }
  if (!error_explained(reader, name, value.error().code())) {
    fail("OWN-3: " + describe(*record) + ", read by " + name_of_client(reader.value) + ": error \"" +
         value.error().message() + "\", which nothing explains");
  }
}

bool Oracle::error_explained(ClientId reader, const ObjectName& name, ErrorCode code) const {
  const Record* record = find(name);
  if (record != nullptr && record->state == State::error && record->code == code) return true;
  if (cut_off_.contains(node_of(reader)) || doomed_.contains(reader)) return true;
  if (code != ErrorCode::object_lost) return false;
  return (!reachable(name.key.owner) && !inherited(name.key)) || unsure(reader, name.key.id);
}

// STANDBY-2
bool Oracle::inherited(const ObjectKey& key) const {
  return adopted_.contains(key) && !cut_off_.contains(node_of(key.owner));
}

bool Oracle::settled(const ObjectName& name, int depth) const {
  if (depth > 32) return false;
  if (!reachable(name.key.owner)) return true;
  const Record* record = find(name);
  if (record == nullptr || record->state == State::open) return false;
  return std::all_of(record->contained.begin(), record->contained.end(),
                     [&](const ObjectKey& inside) { return settled(inside, depth + 1); });
}

void Oracle::check_reachable(ClientId holder, const ObjectName& name) {
  if (!reachable(name.key.owner) || !reachable(holder) || unsure(holder, name.key.id)) return;
  Record* record = find(name);
  if (record == nullptr) return fail("a process holds an object that was never made: " + name.key.id.to_string());
  if (record->seen_in_sweep == sweep_) return;
  record->seen_in_sweep = sweep_;
  if (record->is_actor && actors_.at(static_cast<std::uint64_t>(record - records_.data()) + 1).ended) {
    return fail("OWN-3: " + describe(*record) + " was ended while " + name_of_client(holder.value) + " can reach it");
  }
  if (record->entry->phase == owner::Phase::unused || record->entry->id != record->key.id) {
    return fail("OWN-3: " + describe(*record) + " was freed while " + name_of_client(holder.value) + " can reach it");
  }
  for (const ObjectKey& inside : record->contained) check_reachable(record->key.owner, inside);
}

std::set<ObjectKey> Oracle::tolerated_leaks() const {
  std::set<ObjectKey> all;
  std::vector<ObjectKey> todo(tolerated_.begin(), tolerated_.end());
  while (!todo.empty()) {
    const ObjectKey key = todo.back();
    todo.pop_back();
    if (!all.insert(key).second) continue;
    const Record* record = find(key);
    if (record != nullptr) todo.insert(todo.end(), record->contained.begin(), record->contained.end());
  }
  return all;
}

}  // namespace manta::sim
