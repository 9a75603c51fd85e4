// What programs do with actors.
#include <utility>

#include "core/testing/sim_process.h"
#include "core/testing/sim_program.h"
#include "core/testing/sim_world.h"

namespace manta::sim {

namespace {

// Of restarts and retries; -1: for ever.
std::int32_t some_times(Random& random) { return random.chance(15) ? -1 : static_cast<std::int32_t>(random.below(3)); }

}  // namespace

// False: it can do nothing with them now.
bool Program::use_actors() {
  if (world_.winding_down) return false;
  std::vector<std::size_t> handles;
  for (std::size_t i = 0; i < variables_.size(); ++i) {
    if (process_.can_call(variables_[i])) handles.push_back(i);
  }
  const std::uint64_t choice = random_.below(12);
  if (handles.empty() || choice == 0) return create_actor();
  // Adding what a call returns may drop the variable.
  owner::Entry* handle = process_.copy(variables_[handles[random_.below(handles.size())]]).entry;
  if (choice == 1 && random_.chance(40) && attempt_ < 4) {  // a method might kill its own actor, and again, and again
    process_.kill_actor(process_.adopt(handle), random_.chance(60));
  } else {
    call_some(*handle);
  }
  process_.drop(process_.adopt(handle));
  return true;
}

// For what is called or constructed, and so holds up others. What waits in the process of a task must not wait for what
// is not there: the task that it waits for might be one that waits for a later call in the same place.
std::vector<owner::Entry*> Program::pick_arguments(std::size_t most) {
  std::vector<owner::Entry*> picked;
  for (std::size_t n = random_.below(most + 1); n > 0 && !variables_.empty(); --n) {
    const Variable& variable = variables_[random_.below(variables_.size())];
    if (variable.actor || !(kind_.driver || variable.entry->resolved.load())) continue;
    picked.push_back(process_.copy(variable).entry);
  }
  return picked;
}

bool Program::create_actor() {
  if (world_.actors_left == 0 || kind_.depth >= world_.options.depth) return false;
  --world_.actors_left;
  owner::NewActor actor;
  actor.limits.max_restarts = some_times(random_);
  actor.limits.max_task_retries = some_times(random_);
  actor.request.own_worker = true;  // and no resources: a program that waits may hold the handle for long
  owner::NewTask& constructor = actor.constructor;
  constructor.id = id_.child(children_++);
  constructor.function = ProgramKind{static_cast<std::uint8_t>(kind_.depth + 1), false, false}.function();
  constructor.references = pick_arguments(random_.chance(30) ? 2 : 0);
  constructor.contained = pick(random_.chance(30) ? 2 : 0);
  const std::vector<owner::Entry*> given = constructor.references;
  const Variable handle = process_.create_actor(std::move(actor));
  for (owner::Entry* entry : given) process_.drop(process_.adopt(entry));
  if (random_.chance(5)) {
    process_.drop(handle);
  } else {
    add(handle);
  }
  return true;
}

void Program::call_some(owner::Entry& handle) {
  for (std::uint64_t n = 1 + random_.skewed(kind_.driver ? 15 : 3); n > 0 && world_.calls_left > 0; --n) {
    --world_.calls_left;
    owner::NewTask task;
    task.id = id_.child(children_++);
    task.function = ProgramKind{static_cast<std::uint8_t>(kind_.depth + 1), false, false}.function();
    task.references = pick_arguments(random_.chance(30) ? 2 : 0);
    task.contained = pick(random_.chance(30) ? 2 : 0);
    const std::vector<owner::Entry*> given = task.references;
    const Variable result = process_.call(process_.adopt(&handle), std::move(task));
    for (owner::Entry* entry : given) process_.drop(process_.adopt(entry));
    if (random_.chance(40)) {
      process_.drop(result);
    } else {
      add(result);
    }
  }
}

}  // namespace manta::sim
