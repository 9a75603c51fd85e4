// What must be true of actors: where and how often they run, in which order their calls start, why calls fail.
#include <algorithm>

#include "core/testing/sim_ids.h"
#include "core/testing/sim_oracle.h"

namespace manta::sim {

void Oracle::died(ClientId client) {
  alive_.erase(client);
  for (auto& [number, life] : actors_) {
    if (life.host == client) ++life.deaths;
  }
}

void Oracle::doom(ClientId client) {
  doomed_.insert(client);
  for (auto& [number, life] : actors_) {
    if (life.host == client) ++life.deaths;
  }
}

std::uint64_t Oracle::created(ObjectKey key, const owner::ActorLimits& limits, bool has_references) {
  Record& record = new_record(key);
  record.is_actor = true;
  record.max_retries = limits.max_restarts;
  ActorLife& life = actors_[records_.size()];
  life.has_references = has_references;
  life.max_task_retries = limits.max_task_retries;
  return records_.size();
}

std::uint64_t Oracle::called(ObjectKey key, const ObjectName& actor) {
  const Record* callee = find(actor);
  if (callee == nullptr || !callee->is_actor) {
    fail("a process calls an actor that was never made: " + actor.key.id.to_string());
    return 0;
  }
  const auto number = static_cast<std::uint64_t>(callee - records_.data()) + 1;
  ActorLife& life = actors_.at(number);
  Record& record = new_record(key);
  record.task = true;
  record.actor = number;
  record.max_retries = life.max_task_retries;
  ++tasks_;
  life.calls[key.owner].push_back(records_.size());
  return records_.size();
}

bool Oracle::is_actor(const ObjectName& name) const {
  const Record* record = find(name);
  return record != nullptr && record->is_actor;
}

void Oracle::constructed(std::uint64_t actor, bool threw) {
  records_[actor - 1].state = threw ? State::error : State::value;
  if (threw) actors_.at(actor).threw = true;
}

void Oracle::killed(const ObjectName& actor) {
  const Record* record = find(actor);
  if (record != nullptr) actors_.at(static_cast<std::uint64_t>(record - records_.data()) + 1).killed = true;
}

bool Oracle::must_end(std::uint64_t actor) const {
  return reachable(actors_.at(actor).host) && !tolerated_leaks().contains(records_[actor - 1].key);
}

// How often is checked as for tasks.
void Oracle::check_actor_start(const Record& actor, ActorLife& life, ClientId worker) {
  if (life.host && alive(life.host)) {
    fail("OWN-10: " + describe(actor) + " is made in " + name_of_client(worker.value) + " while it lives in " +
         name_of_client(life.host.value));
  }
  if (life.ended) fail("OWN-10: " + describe(actor) + " starts again after its end");
  life.host = worker;
}

void Oracle::check_call_start(std::uint64_t call, ClientId worker) {
  const Record& record = records_[call - 1];
  ActorLife& life = actors_.at(record.actor);
  if (life.host != worker) fail("OWN-10: " + describe(record) + " starts where its actor is not");
  if (record.last_run != 0) {
    const Run& before = runs_[record.last_run - 1];
    if (before.state == RunState::threw && !doomed_.contains(before.worker)) {
      fail("OWN-10: " + describe(record) + " starts again although it threw");
    }
  }
  auto& calls = life.calls.at(record.key.owner);
  const auto resolved = [&](std::uint64_t number) { return records_[number - 1].state != State::open; };
  calls.erase(calls.begin(), std::find_if_not(calls.begin(), calls.end(), resolved));
  for (const std::uint64_t number : calls) {
    if (number == call) return;
    const Record& older = records_[number - 1];
    const bool has_started = older.last_run != 0 && runs_[older.last_run - 1].worker == worker;
    if (resolved(number) || has_started) continue;
    return fail("OWN-10: " + describe(record) + " starts before the older " + describe(older));
  }
}

void Oracle::check_call_error(const Record& call, ErrorCode code) {
  const ActorLife& life = actors_.at(call.actor);
  const Record& actor = records_[call.actor - 1];
  const ClientId caller = call.key.owner;
  const std::string what = describe(call) + " failed with " + std::string(to_string(code));
  RunState last = RunState::threw;
  if (call.last_run != 0) {
    const Run& run = runs_[call.last_run - 1];
    last = run.state;
    const bool counts = !doomed_.contains(run.worker) && reachable(caller);
    if (counts && last == RunState::returned) return fail("OWN-1: " + what + " although it returned a value");
    if (counts && last == RunState::running && alive(run.worker)) {
      return fail("OWN-1: " + what + " although it still runs");
    }
  }
  const bool lost = life.deaths > 0 || life.killed || !reachable(actor.key.owner) || unsure(caller, actor.key.id);
  const bool refused = actor.starts == 0 && life.has_references;  // an argument of its constructor failed
  switch (code) {
    case ErrorCode::task_failed:
      if (!(call.last_run != 0 && last == RunState::threw) && !life.threw && !refused) {
        fail("OWN-1: " + what + " although nothing threw");
      }
      return;
    case ErrorCode::unavailable:
      if (refused) return;
      if (!lost || call.starts == 0) return fail("OWN-1: " + what + " without having been lost");
      if (call.max_retries < 0 || call.starts <= static_cast<std::uint32_t>(call.max_retries)) {
        fail("OWN-2: " + what + " with retries left");
      }
      return;
    case ErrorCode::actor_died:
      if (!lost && !refused) fail("OWN-1: " + what + " although its actor lives");
      return;
    case ErrorCode::invalid_argument:
      if (!refused && !refused_.contains(actor.key.owner)) fail("OWN-1: " + what + " although its actor can be made");
      return;
    default:
      if (!refused) fail("OWN-1: " + what + ", which nothing explains");
  }
}

}  // namespace manta::sim
