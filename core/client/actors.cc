// Actors of and for this process: their names, and the links to those that others own.
#include <algorithm>
#include <thread>

#include <manta/detail/label.h>

#include "core/client/client.h"

namespace manta::client {

namespace {

// For destructors, when the program ends.
constexpr std::chrono::seconds kEndingGrace{2};

// An actor that was found may end before its owner is asked for a handle: then the name is asked for again.
constexpr int kMostTries = 60;
void pause_before(int attempt) {
  if (attempt > 2) std::this_thread::sleep_for(std::chrono::milliseconds(std::min(1 << (attempt - 3), 50)));
}
[[noreturn]] void throw_always_ending(const std::string& name) {
  throw Error(ErrorCode::unavailable, "the actors named \"" + name +
                                          "\" ended one after the other before a handle was "
                                          "had; let a process keep a handle for as long as the actor is used");
}

owner::ActorLimits limits_of(const ActorOptions& options) {
  if (options.max_concurrency < 1 || options.max_concurrency > 4096) {
    throw Error(
        ErrorCode::invalid_argument,
        "ActorOptions::max_concurrency is " + std::to_string(options.max_concurrency) + "; it must be from 1 to 4096");
  }
  return {options.max_restarts, options.max_task_retries, static_cast<std::uint32_t>(options.max_concurrency)};
}

}  // namespace

owner::Entry* Client::create_actor(const detail::ActorCall& call) {
  owner::NewActor actor;
  auto request = sched::request_of_actor(call.options);
  if (!request) throw_error(request.error());
  actor.limits = limits_of(call.options);
  if (call.options.get_if_exists && call.options.name.empty()) {
    throw Error(ErrorCode::invalid_argument, "ActorOptions::get_if_exists needs ActorOptions::name");
  }
  actor.name = call.options.name;
  if (call.options.get_if_exists) {  // spares the making of one that is not needed
    if (owner::Entry* found = find_actor(actor.name, std::string(call.type))) return found;
  }
  actor.request = std::move(*request);
  actor.where = sched::where_of(call.options);
  actor.held_back = !actor.name.empty();
  actor.constructor = new_task(call.constructor, call.values, call.ref_mask, call.references);
  const std::string name = actor.name;
  owner::Entry* entry = nullptr;
  net::RegisterName question;
  {
    const MutexLock guard(mutex_);
    if (end_) throw_error(*end_);
    TaskContext& creator = context();
    actor.constructor.id = creator.next_child();
    entry = owner_->actors().create(std::move(actor));
    question = {next_request_++, name, owner_->borrowing().export_ref(*entry).object, std::string(call.type)};
  }
  if (background_parked_.load(std::memory_order_relaxed)) wake_background();  // it says so if the actor has to wait
  if (name.empty()) return entry;
  try {
    for (int attempt = 0; attempt < kMostTries; ++attempt) {
      pause_before(attempt);
      const net::Named answer = ask_for_name(question, question.request);
      if (!answer.found) {
        const MutexLock guard(mutex_);
        owner_->actors().start(*entry);
        return entry;
      }
      if (!call.options.get_if_exists) {
        throw Error(ErrorCode::invalid_argument, "an actor named \"" + name +
                                                     "\" exists already: choose another name, or set "
                                                     "ActorOptions::get_if_exists");
      }
      if (owner::Entry* existing = adopt_named(answer, name, std::string(call.type))) {
        detail::release(entry);
        return existing;
      }
    }
    throw_always_ending(name);
  } catch (...) {
    detail::release(entry);
    throw;
  }
}

owner::Entry* Client::call_actor(const detail::MethodCall& call) {
  Timeline* const timeline = Timeline::current();
  const auto start = timeline != nullptr ? Clock::now() : Clock::time_point();
  owner::NewTask task = new_task(call.method, call.values, call.ref_mask, call.references);
  if (call.streams) task.stream_buffer = call.options.stream_buffer;
  task.limit = owner::limit_of("CallOptions::timeout", call.options.timeout);
  owner::Entry* entry = nullptr;
  {
    const MutexLock guard(mutex_);
    if (end_) throw_error(*end_);
    TaskContext& caller = context();
    task.id = caller.next_child();
    entry = owner_->actors().call(static_cast<owner::Entry&>(*call.actor), std::move(task));
  }
  if (timeline != nullptr) timeline->submitted(entry->id, start);
  if (background_parked_.load(std::memory_order_relaxed)) wake_background();
  return entry;
}

void Client::kill_actor(owner::Entry& actor, bool restart) {
  const MutexLock guard(mutex_);
  drain();  // what it has finished counts
  owner_->actors().kill(actor, restart);
}

detail::ActorStatus Client::actor_status(const owner::Entry& entry, bool with_reason) {
  using State = detail::ActorStatus::State;
  using Known = owner::Actor::State;
  const MutexLock guard(mutex_);
  if (end_) throw_error(*end_);
  if (entry.kind != owner::Kind::actor || entry.actor == nullptr) {
    throw Error(ErrorCode::invalid_argument, "the status of something that is no actor of this process is asked for");
  }
  const owner::Actor& actor = *entry.actor;
  detail::ActorStatus status;
  status.state = actor.state == Known::dead                     ? State::dead
                 : actor.state == Known::alive && !actor.killed ? State::alive
                                                                : State::starting;
  status.has_process = actor.lease || actor.state == Known::alive;
  status.restarts = entry.attempt;
  if (with_reason) status.reason = status.state == State::dead ? actor.error.message() : actor.last_end;
  return status;
}

owner::Entry* Client::lock_actor(const ObjectId& id) {
  const MutexLock guard(mutex_);
  if (end_) throw_error(*end_);
  return owner_->actors().adopt(id);
}

void Client::set_label(owner::Entry& entry, std::string label) {
  const MutexLock guard(mutex_);
  entry.more().label = std::move(label);
}

// --- names

net::Named Client::ask_for_name(net::ClientMessage question, std::uint64_t request) {
  const MutexLock lock(mutex_);
  names_asked_[request];
  if (auto sent = try_send(question); !sent && sent.error().code() == ErrorCode::invalid_argument) {
    names_asked_.erase(request);
    throw_error(sent.error().with_context("name of an actor"));
  }
  while (!names_asked_[request] && !node_gone_) names_answered_.wait(mutex_);
  const std::optional<net::Named> answer = names_asked_[request];
  names_asked_.erase(request);
  if (!answer) throw_error(*end_);
  return *answer;
}

owner::Entry* Client::find_actor(const std::string& name, const std::string& type) {
  for (int attempt = 0; attempt < kMostTries; ++attempt) {
    pause_before(attempt);
    std::uint64_t request = 0;
    {
      const MutexLock guard(mutex_);
      if (end_) throw_error(*end_);
      request = next_request_++;
    }
    const net::Named answer = ask_for_name(net::FindName{request, name}, request);
    if (!answer.found) return nullptr;
    if (owner::Entry* found = adopt_named(answer, name, type)) return found;
  }
  throw_always_ending(name);
}

std::uint64_t Client::create_group(std::vector<net::WireResources> bundles, std::uint8_t strategy) {
  const MutexLock lock(mutex_);
  if (end_) throw_error(*end_);
  const std::uint64_t request = next_request_++;
  groups_asked_[request];
  if (auto sent = try_send(net::CreateGroup{request, std::move(bundles), strategy});
      !sent && sent.error().code() == ErrorCode::invalid_argument) {
    groups_asked_.erase(request);
    throw_error(sent.error().with_context("placement group"));
  }
  while (!groups_asked_[request] && !node_gone_) names_answered_.wait(mutex_);
  const std::optional<net::GroupMade> answer = groups_asked_[request];
  groups_asked_.erase(request);
  if (!answer) throw_error(*end_);
  if (answer->group == 0) throw Error(ErrorCode::invalid_argument, answer->why);
  return answer->group;
}

// The owner counts this process as a borrower and confirms it. Null if the actor ends; its name is free by then.
owner::Entry* Client::adopt_named(const net::Named& named, const std::string& name, const std::string& type) {
  if (named.type != type) {
    throw Error(ErrorCode::invalid_argument, "the actor named \"" + name + "\" is a " + detail::label_in(named.type) +
                                                 ", not a " + detail::label_in(type));
  }
  const MutexLock lock(mutex_);
  if (named.owner == self()) return owner_->actors().adopt(named.actor);
  const bool on_live_node =
      std::any_of(nodes_.begin(), nodes_.end(), [&](const auto& node) { return node.node == node_of(named.owner); });
  if (!on_live_node) return nullptr;
  const std::uint64_t request = adoptions_.ask(named.owner);
  send(named.owner, owner::AdoptActor{named.actor, request});
  while (!adoptions_.has_answer(request) && !node_gone_) names_answered_.wait(mutex_);
  const bool alive = adoptions_.take(request);
  if (node_gone_) throw_error(*end_);
  return alive ? owner_->borrowing().import({named.actor, named.owner}, true) : nullptr;
}

void Client::drop_name(const std::string& name, const ObjectId& actor) { send(net::DropName{name, actor}); }

// --- links and processes

owner::WorkerLink* Client::link_to(ClientId worker) {
  if (is_remote(worker)) return &message_link(worker);
  const auto it = ring_links_.find(worker);
  if (it != ring_links_.end()) return it->second.get();
  send(net::RequestRing{worker});
  return nullptr;
}

// Without descriptors the worker is dead: its actor's owner will say where the actor is next.
void Client::on_ring(const net::RingTo& message, std::vector<Fd>& descriptors) {
  const MutexLock guard(mutex_);
  const auto it = ring_links_.find(message.worker);
  RingLink* link =
      it != ring_links_.end() ? it->second.get() : open_ring(message.worker, message.worker_slot, descriptors);
  if (link != nullptr) owner_->actors().link_opened(message.worker, *link);
}

void Client::kill_worker(LeaseId lease) { send(net::KillWorker{lease}); }

void Client::wait_for_ending_actors() {
  const auto deadline = Clock::now() + kEndingGrace;
  for (;;) {
    {
      const MutexLock guard(mutex_);
      if (node_gone_ || !owner_->actors().ending()) return;
    }
    const std::uint32_t seen = slot().replies.rings.load(std::memory_order_seq_cst);
    {
      const MutexLock guard(mutex_);
      if (node_gone_ || !owner_->actors().ending()) return;
    }
    if (!slot().replies.sleep(seen, std::min(deadline, Clock::now() + std::chrono::milliseconds(20))) &&
        Clock::now() >= deadline) {
      return;
    }
  }
}

}  // namespace manta::client
