#include "core/testing/sim_executor.h"

#include <algorithm>
#include <utility>

#include "core/testing/sim_process.h"
#include "core/testing/sim_world.h"

namespace manta::sim {

namespace {

constexpr Time kBlockAfter = std::chrono::microseconds(100);

// A child may run in its parent's place if it asks for nothing that the parent does not have anyway.
bool fits_inside(const sched::ResourceSet& child, const sched::ResourceSet& parent) {
  return child.cpus <= parent.cpus && child.gpus.zero() && child.memory_bytes == 0 && child.named.empty() &&
         child.env == parent.env;
}

}  // namespace

ClientId SimExecutor::submitter() const {
  return stack_.empty() || !stack_.front()->ring ? ClientId{} : stack_.front()->ring->submitter;
}

const std::vector<Variable>& SimExecutor::imported() const {
  static const std::vector<Variable> kNone;
  return stack_.empty() ? kNone : stack_.front()->imported;
}

std::string SimExecutor::what_runs() const {
  std::string out;
  for (const auto& frame : stack_) {
    const TaskId id = frame->record != nullptr  ? frame->record->id
                      : frame->entry != nullptr ? frame->entry->id
                                                : TaskId{};
    out += (out.empty() ? "" : ", ") + (id ? id.to_string() : "main") + (frame->waits ? " (waits for" : " (");
    if (frame->waits) {
      for (const owner::Entry* e : frame->program->awaited()) {
        if (!e->resolved.load()) out += " " + e->id.to_string();
      }
    }
    out += ")";
  }
  return out;
}

void SimExecutor::for_each_variable(const std::function<void(Variable&)>& f) {
  const auto visit = [&](Frame& frame) {
    std::for_each(frame.imported.begin(), frame.imported.end(), f);
    std::for_each(frame.program->variables().begin(), frame.program->variables().end(), f);
  };
  for (const auto& frame : stack_) visit(*frame);
  if (ending_ != nullptr) visit(*ending_);
}

void SimExecutor::run_main(TaskId id) {
  auto frame = std::make_unique<Frame>();
  const ProgramKind kind{0, true, true};
  frame->program = std::make_unique<Program>(world_, process_, kind, id, std::uint16_t{0}, std::vector<Variable>{});
  stack_.push_back(std::move(frame));
  schedule(std::chrono::microseconds(100));
}

void SimExecutor::wake() {
  if (stack_.empty() || stack_.back()->waits) schedule(world_.random_time(std::chrono::microseconds(20)));
}

void SimExecutor::schedule(Time delay) {
  const Time at = delay > Time::max() - world_.now() ? Time::max() : world_.now() + delay;
  if (at >= scheduled_) return;
  scheduled_ = at;
  world_.schedule.at(at, [this, at] {
    if (scheduled_ != at) return;
    scheduled_ = Time::max();
    step();
  });
}

void SimExecutor::step() {
  if (!process_.alive() || leaving_) return;
  if (stack_.empty() && !claim_from_rings()) return;
  Frame& frame = *stack_.back();
  if (frame.waits) {
    if (!frame.program->wait_is_over()) {
      if (!claim_awaited(frame) && frame.program->wait_deadline() != Time::max()) {
        schedule(frame.program->wait_deadline() - world_.now());
      }
      return process_.after_event();
    }
    frame.waits = false;
    set_blocked(false);
  }
  switch (frame.program->step()) {
    case Program::Step::pause:
      schedule(frame.program->pause_time());
      break;
    case Program::Step::wait:
      wait(frame);
      break;
    case Program::Step::end:
      end_frame();
      break;
  }
  process_.after_event();
}

// --- waiting

void SimExecutor::wait(Frame& frame) {
  frame.waits = true;
  frame.wait = ++waits_;
  if (claim_awaited(frame)) return;
  if (frame.program->wait_deadline() != Time::max()) schedule(frame.program->wait_deadline() - world_.now());
  if (!stack_.front()->ring) return;
  world_.schedule.after(kBlockAfter, [this, number = frame.wait] {
    if (!process_.alive() || stack_.empty() || !stack_.back()->waits || stack_.back()->wait != number) return;
    set_blocked(true);
    process_.after_event();
  });
}

void SimExecutor::set_blocked(bool blocked) {
  if (blocked_ == blocked) return;
  blocked_ = blocked;
  world_.trace.record(blocked ? Label("%c blocks") : Label("%c goes on"), process_.id());
  process_.send_to_node(message::Blocked{blocked});
  SimRing& ring = *stack_.front()->ring;
  ring.worker_blocked = blocked;
  SimProcess* submitter = world_.find(ring.submitter);
  if (submitter != nullptr) submitter->poke();
}

bool SimExecutor::claim_awaited(Frame& frame) {
  const auto& ring = stack_.front()->ring;
  if (!ring || world_.random.chance(15)) return false;
  for (owner::Entry* entry : frame.program->awaited()) {
    if (entry->resolved.load() || !entry->owned || entry->kind != owner::Kind::task) continue;
    if (!fits_inside(process_.request_of(*entry), ring->request)) continue;
    if (!process_.owner().leases().claim(*entry)) continue;
    set_blocked(false);
    begin_here(*entry);
    return true;
  }
  return false;
}

// --- beginning

bool SimExecutor::claim_from_rings() {
  const auto rings = process_.rings_in();
  for (const auto& ring : rings) {
    RingRecord* record = ring->claim();
    if (record == nullptr) continue;
    if (record->end) {
      take_end(*ring, *record);
      return false;
    }
    begin_leased(ring, *record);
    return true;
  }
  return false;
}

// One reference for the program, and one in all for the edge, which has to say at the end what was kept.
void SimExecutor::import(Frame& frame, const detail::WireRef& ref, ClientId from, std::vector<Variable>& variables) {
  process_.note_arrival(ref, world_.oracle.unsure(from, ref.object));
  const Variable variable = process_.import(ref);
  variables.push_back(variable);
  const auto known = std::find_if(frame.imported.begin(), frame.imported.end(),
                                  [&](const Variable& v) { return v.entry == variable.entry; });
  if (known == frame.imported.end()) frame.imported.push_back(process_.copy(variable));
}

std::vector<Variable> SimExecutor::import_all(Frame& frame, const owner::Value& arguments,
                                              const std::vector<const owner::Value*>& references, ClientId from,
                                              bool excused) {
  std::vector<Variable> variables;
  std::vector<const owner::Value*> values{&arguments};
  values.insert(values.end(), references.begin(), references.end());
  for (const owner::Value* value : values) {
    Payload payload;
    if (!decode(*value, world_.store, payload)) {
      if (!excused) world_.oracle.fail("OWN-3: the arguments of a task are gone when it starts");
      continue;
    }
    for (const detail::WireRef& ref : payload.refs) import(frame, ref, from, variables);
  }
  return variables;
}

void SimExecutor::begin_leased(std::shared_ptr<SimRing> ring, RingRecord& record) {
  world_.trace.record("%c starts %o for %c", process_.id(), record.id, ring->submitter);
  auto frame = std::make_unique<Frame>();
  const SimProcess* submitter = world_.find(ring->submitter);
  frame->run = world_.oracle.started(record.task, process_.id(), submitter->alive());
  frame->ring = std::move(ring);
  frame->record = &record;
  std::vector<const owner::Value*> references;
  for (const owner::Value& value : record.references) references.push_back(&value);
  std::vector<Variable> variables;
  // A dead submitter's arguments may be gone. A real task would read garbage or an error, and no process its result.
  if (submitter->alive()) {
    const bool excused = std::any_of(record.stored.begin(), record.stored.end(), [&](const detail::WireRef& ref) {
      return world_.oracle.unsure(frame->ring->submitter, ref.object);
    });
    variables = import_all(*frame, record.arguments, references, frame->ring->submitter, excused);
    for (const detail::WireRef& ref : record.stored) import(*frame, ref, frame->ring->submitter, variables);
  }
  frame->program = std::make_unique<Program>(world_, process_, ProgramKind::of(record.function), record.id,
                                             record.attempt, std::move(variables));
  stack_.push_back(std::move(frame));
}

void SimExecutor::begin_here(owner::Entry& entry) {
  world_.trace.record("%c runs %o itself", process_.id(), entry.id);
  auto frame = std::make_unique<Frame>();
  frame->run = world_.oracle.started(process_.task_of(entry), process_.id(), true);
  frame->entry = &entry;
  std::vector<const owner::Value*> references;
  if (entry.extra) {
    for (const owner::Entry* reference : entry.extra->references) references.push_back(&reference->value);
  }
  const bool excused = entry.extra && std::any_of(entry.extra->references.begin(), entry.extra->references.end(),
                                                  [&](const owner::Entry* reference) {
                                                    return world_.oracle.unsure(process_.id(), reference->id);
                                                  });
  std::vector<Variable> variables = import_all(*frame, entry.value, references, process_.id(), excused);
  frame->program = std::make_unique<Program>(world_, process_, ProgramKind::of(entry.function), entry.id, entry.attempt,
                                             std::move(variables));
  stack_.push_back(std::move(frame));
  schedule(Time(1000));
}

// --- ending

// Calls hold the handle, so there are none left.
void SimExecutor::take_end(SimRing& ring, RingRecord& record) {
  record.state = RingRecord::State::taken;
  if (!hosts_actor_of(ring.submitter)) return world_.oracle.fail("OWN-10: an actor is ended that is not here");
  for (const auto& other : process_.rings_in()) {
    const bool excused =
        !world_.oracle.reachable(other->submitter) || world_.oracle.unsure_of_actor(other->submitter, actor_);
    if (other->has_ready() && !excused) world_.oracle.fail("OWN-3: an actor is ended while calls wait for it");
  }
  world_.oracle.ended(actor_);
  end_actor();
}

void SimExecutor::end_actor() {
  ends_ = true;
  if (stack_.empty()) leave();
}

void SimExecutor::leave() {
  if (std::exchange(leaving_, true)) return;
  world_.trace.record("%c ends with its actor", process_.id());
  world_.schedule.after(Time(1), [this] { process_.end("ended with its actor"); });
}

void SimExecutor::stop_task(ClientId submitter, const TaskId& task, const owner::Cancellation& how) {
  for (const auto& frame : stack_) {
    const bool main = frame->record == nullptr && frame->entry == nullptr;
    const ClientId from = frame->ring ? frame->ring->submitter : process_.id();
    if (main || frame->program->id() != task || from != submitter) continue;
    frame->program->stop(how);
    const std::uint64_t children = frame->program->children();
    if (how.recursive) process_.owner().cancelling().cancel_children(task, children, how);
    return wake();
  }
}

void SimExecutor::end_frame() {
  const Program& program = *stack_.back()->program;
  if (program.stopped() && program.stopped()->recursive && program.threw()) {
    process_.owner().cancelling().cancel_children(program.id(), program.children(), *program.stopped());
  }
  const std::unique_ptr<Frame> frame = std::move(stack_.back());
  stack_.pop_back();
  ending_ = frame.get();
  if (frame->ring) {
    end_leased(*frame);
    if (hosts_actor_of(frame->ring->submitter)) {
      ends_ = ends_ || frame->ring->closed;
    } else if (frame->ring->closed && frame->ring->lease) {
      process_.send_to_node(message::RingClosed{frame->ring->submitter});
    }
  } else if (frame->entry != nullptr) {
    end_here(*frame);
  } else {
    end_main(*frame);
  }
  ending_ = nullptr;
  if (stack_.empty() && ends_) return leave();
  if (stack_.empty()) return schedule(world_.random_time(std::chrono::microseconds(10)));
  if (process_.alive()) wait(*stack_.back());
  schedule(Time(1000));
}

// contained: the entries inside the result, which the program still holds.
owner::Outcome SimExecutor::outcome_of(Frame& frame, std::vector<owner::Entry*>& contained) {
  const TaskId id = frame.record != nullptr ? frame.record->id : frame.entry->id;
  owner::Outcome outcome;
  if (frame.program->threw()) {
    world_.trace.record("%c: %o throws", process_.id(), id);
    world_.oracle.threw(frame.run);
    TaskFailure failure;
    failure.type = "sim::Thrown";
    outcome.value = owner::Value::of(Error(std::move(failure)));
    outcome.user_exception = true;
    return outcome;
  }
  Payload payload{frame.run, id, {}};
  std::vector<ObjectKey> keys;
  if (frame.record != nullptr && frame.record->kind == owner::Kind::actor) {
    world_.trace.record("%c: actor %o is there", process_.id(), id);
    world_.oracle.returned(frame.run, {});
    outcome.value = encode(payload, world_.store, {});  // no process reads it
    return outcome;
  }
  for (const std::size_t i : frame.program->results()) {
    contained.push_back(frame.program->variables()[i].entry);
    payload.refs.push_back(process_.export_ref(*contained.back()));
    keys.push_back(key_of(payload.refs.back()));
  }
  world_.trace.record("%c: %o returns", process_.id(), id);
  world_.oracle.returned(frame.run, std::move(keys));
  outcome.value = encode(payload, world_.store, world_.random.chance(15) ? process_.id() : ClientId{});
  outcome.contained = std::move(payload.refs);
  return outcome;
}

void SimExecutor::end_leased(Frame& frame) {
  SimRing& ring = *frame.ring;
  RingRecord& record = *frame.record;
  SimProcess* submitter = world_.find(ring.submitter);
  const bool listening = !ring.closed;  // as far as the worker knows
  std::vector<owner::Entry*> contained;
  record.outcome = outcome_of(frame, contained);
  if (record.kind == owner::Kind::actor) {
    world_.oracle.constructed(record.task, frame.program->threw());
    if (!frame.program->threw()) {
      actor_ = record.task;
      actor_owner_ = ring.submitter;
    }
  }
  if (listening) process_.owner().borrowing().export_contained(contained, ring.submitter);
  for (const detail::WireRef& ref : record.outcome.contained) {
    if (world_.oracle.unsure(process_.id(), ref.object)) record.unsure.push_back(ref.object);
  }
  frame.program->drop_variables();
  std::vector<owner::Entry*> entries;
  for (const Variable& v : frame.imported) entries.push_back(v.entry);
  record.outcome.kept = process_.owner().borrowing().kept_after_task(entries);
  for (const Variable& v : frame.imported) {
    const auto& kept = record.outcome.kept;
    const bool named = std::any_of(kept.begin(), kept.end(), [&](const auto& ref) { return ref.object == v.key.id; });
    if (!named) continue;
    world_.trace.record("%c keeps %o", process_.id(), v.key.id);
    record.kept.push_back({v.key.id, v.key.owner});
    if (!listening) {
      process_.owner().borrowing().add_borrower(*v.entry,
                                                process_.id());  // the submitter is dead: it cannot report this borrow
    } else if (!submitter->alive()) {
      world_.oracle.make_unsure(process_.id(), v.key.id);
      world_.oracle.tolerate_leak(v.key);
    }
  }
  if (record.outcome.value.kind() == owner::Value::Kind::stored) {
    if (submitter->alive()) {
      world_.store.hand_over(record.outcome.value.stored(), ring.submitter);
    } else {
      world_.store.free(record.outcome.value.stored());
    }
  }
  record.state = RingRecord::State::done;
  for (const Variable& v : frame.imported) process_.drop(v);
  submitter->poke();
}

void SimExecutor::end_here(Frame& frame) {
  std::vector<owner::Entry*> contained;
  owner::Outcome outcome = outcome_of(frame, contained);
  outcome.contained.clear();  // they are entries of this process already
  for (owner::Entry* entry : contained) detail::retain(entry);
  outcome.held = std::move(contained);
  process_.owner().finished(*frame.entry, std::move(outcome));
  frame.program->drop_variables();
  for (const Variable& v : frame.imported) process_.drop(v);
}

void SimExecutor::end_main(Frame& frame) {
  const bool early = frame.program->leaves_early();
  if (!early || world_.random.chance(50)) frame.program->drop_variables();
  world_.trace.record("%c: main ends", process_.id());
  if (!early) return;
  world_.schedule.after(Time(1), [this] { process_.end("left in order"); });
}

}  // namespace manta::sim
