#include "core/client/message_link.h"

#include <algorithm>
#include <cstring>

#include "core/client/task_codec.h"

namespace manta::client {

namespace {

// Longer arguments, and those of further tasks, are read by the worker's node from this process' arena as it gets to
// them: what lies in messages to the worker is bounded, whatever its tasks are given.
constexpr std::size_t kInMessageUpTo = 64 * 1024;

}  // namespace

bool MessageLink::push(owner::Entry& entry) {
  assert_owner_locked();
  // Calls that are under way together may wait for each other: all of them go.
  const std::size_t at_a_time = entry.kind == owner::Kind::call ? entry.actor->limits.max_concurrency : 1;
  if (lost_ || outstanding_.size() >= std::max(kWindow, at_a_time)) return false;
  net::RunTask task;
  task.position = next_;
  task.function = entry.function.value;
  task.task = entry.id;
  task.attempt = entry.attempt;
  task.ref_mask = entry.ref_mask;
  task.cpus = task_cpus;
  if (entry.kind == owner::Kind::call) {
    task.kind = net::TaskKind::method;
    at_a_time_ = entry.actor->limits.max_concurrency;
  } else if (entry.kind == owner::Kind::actor) {
    task.kind = net::TaskKind::construct;
    task.concurrency = entry.actor->limits.max_concurrency;
    task.cpus = static_cast<std::uint32_t>(entry.actor->request.cpus.units());
  }
  task.framed = entry.value.framed();
  const RequestPart label = label_part(entry);
  if (entry.ref_mask != 0 || !label.bytes.empty()) {
    task.parts = true;
    const RequestPart values = part_of(entry.value);
    std::size_t size = encoded_size(values);
    for (owner::Entry* reference : references_of(entry)) size += encoded_size(part_of(reference->value));
    if (!label.bytes.empty()) size += encoded_size(label);
    task.payload.resize(size);
    std::byte* to = encode(values, task.payload.data());
    for (owner::Entry* reference : references_of(entry)) {
      RequestPart part = part_of(reference->value);
      if (part.stored) part.object = context_.wire_ref(*reference);
      to = encode(part, to);
    }
    if (!label.bytes.empty()) encode(label, to);
  } else if (entry.value.in_arena()) {
    const owner::StoredLocation& at = entry.value.stored();
    if (at.arena == submitter_ && at.size_bytes <= kInMessageUpTo && outstanding_.size() < kWindow) {
      const std::byte* data = context_.bytes_at(at.offset);
      task.payload.assign(data, data + at.size_bytes);
    } else {
      task.stored = true;
      task.location = at;
    }
  } else {
    const std::span<const std::byte> bytes = entry.value.bytes();
    task.payload.assign(bytes.begin(), bytes.end());
  }
  task.timed = owner::has_limit(entry);
  entry.position = static_cast<std::uint32_t>(next_);
  outstanding_[next_++] = &entry;
  context_.send_to_peer(worker_, std::move(task));
  return true;
}

owner::Entry* MessageLink::take_back_last() {
  assert_owner_locked();
  if (lost_) {
    if (outstanding_.size() <= at_a_time_) return nullptr;  // REMOTE-1
    const auto last = std::prev(outstanding_.end());
    owner::Entry* entry = last->second;
    outstanding_.erase(last);
    return entry;
  }
  if (!asked_ && outstanding_.size() > 1) {
    asked_ = true;
    context_.send_to_peer(worker_, net::TakeBackTasks{});
  }
  return nullptr;
}

owner::Entry* MessageLink::next_lost() {
  if (outstanding_.empty()) return nullptr;
  owner::Entry* entry = outstanding_.begin()->second;
  outstanding_.erase(outstanding_.begin());
  return entry;
}

bool MessageLink::push_end() {
  assert_owner_locked();
  net::RunTask task;
  task.position = next_++;
  task.kind = net::TaskKind::end;
  context_.send_to_peer(worker_, std::move(task));
  return true;
}

owner::Entry* MessageLink::returned(std::uint64_t position) {
  const auto it = outstanding_.find(position);
  if (it == outstanding_.end()) return nullptr;
  owner::Entry* entry = it->second;
  outstanding_.erase(it);
  began_.erase(position);
  return entry;
}

void MessageLink::running(std::vector<owner::Entry*>& entries) const {
  for (const std::uint64_t position : began_) {
    const auto it = outstanding_.find(position);
    if (it != outstanding_.end()) entries.push_back(it->second);
  }
}

void MessageLink::replace(owner::Entry& entry, owner::Entry& by) {
  for (auto& [position, each] : outstanding_) {
    if (each == &entry) each = &by;
  }
}

owner::Entry* MessageLink::finished(const net::TaskDone& done, owner::Outcome& outcome) {
  owner::Entry* entry = returned(done.position);
  if (entry == nullptr) return nullptr;
  try {
    outcome = outcome_of(decode_reply(done.reply));
  } catch (const Error& error) {
    outcome = {};
    outcome.value = owner::Value::of(error.with_context("result of a task of another node"));
  }
  return entry;
}

}  // namespace manta::client
