#include "core/client/actor_access.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include <manta/detail/label.h>

namespace manta::client {

namespace {

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

}  // namespace

void ActorAccess::kill(owner::Entry& actor, bool restart) {
  const OwnerLock guard(state_);
  results_.drain();  // what it has finished counts
  state_.owner->actors().kill(actor, restart);
}

detail::ActorStatus ActorAccess::status(const owner::Entry& entry, bool with_reason) {
  using State = detail::ActorStatus::State;
  using Known = owner::Actor::State;
  const OwnerLock guard(state_);
  if (state_.end) throw_error(*state_.end);
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

owner::Entry* ActorAccess::lock(const ObjectId& id) {
  const OwnerLock guard(state_);
  if (state_.end) throw_error(*state_.end);
  return state_.owner->actors().adopt(id);
}

// --- names

net::Named ActorAccess::ask(const net::ClientMessage& question, std::uint64_t request) {
  if (auto sent = node_.try_send(question); !sent && sent.error().code() == ErrorCode::invalid_argument) {
    (void)names_.take(request);
    throw_error(sent.error().with_context("name of an actor"));
  }
  while (!names_.has(request) && !state_.node_gone) wait(changed_, state_);
  const std::optional<net::Named> answer = names_.take(request);
  if (!answer) throw_error(*state_.end);
  return *answer;
}

owner::Entry* ActorAccess::find(const std::string& name, const std::string& type) {
  for (int attempt = 0; attempt < kMostTries; ++attempt) {
    pause_before(attempt);
    net::Named answer;
    {
      const OwnerLock guard(state_);
      if (state_.end) throw_error(*state_.end);
      const std::uint64_t request = names_.expect();
      answer = ask(net::FindName{request, name}, request);
    }
    if (!answer.found) return nullptr;
    if (owner::Entry* found = adopt(answer, name, type)) return found;
  }
  throw_always_ending(name);
}

owner::Entry* ActorAccess::give_name(owner::Entry& actor, const std::string& name, const std::string& type,
                                     bool get_if_exists) {
  try {
    for (int attempt = 0; attempt < kMostTries; ++attempt) {
      pause_before(attempt);
      net::Named answer;
      {
        const OwnerLock guard(state_);
        if (state_.end) throw_error(*state_.end);
        const ObjectId id = state_.owner->borrowing().export_ref(actor).object;
        const std::uint64_t request = names_.expect();
        answer = ask(net::RegisterName{request, name, id, type}, request);
        if (!answer.found) {
          state_.owner->actors().start(actor);
          return &actor;
        }
      }
      if (!get_if_exists) {
        throw Error(ErrorCode::invalid_argument, "an actor named \"" + name +
                                                     "\" exists already: choose another name, or set "
                                                     "ActorOptions::get_if_exists");
      }
      if (owner::Entry* existing = adopt(answer, name, type)) {
        detail::release(&actor);
        return existing;
      }
    }
    throw_always_ending(name);
  } catch (...) {
    detail::release(&actor);
    throw;
  }
}

// The owner counts this process as a borrower and confirms it. Null if the actor ends; its name is free by then.
owner::Entry* ActorAccess::adopt(const net::Named& named, const std::string& name, const std::string& type) {
  if (named.type != type) {
    throw Error(ErrorCode::invalid_argument, "the actor named \"" + name + "\" is a " + detail::label_in(named.type) +
                                                 ", not a " + detail::label_in(type));
  }
  const OwnerLock lock(state_);
  if (named.owner == self_of(state_)) return state_.owner->actors().adopt(named.actor);
  const bool on_live_node = std::any_of(state_.nodes.begin(), state_.nodes.end(),
                                        [&](const auto& node) { return node.node == node_of(named.owner); });
  if (!on_live_node) return nullptr;
  const std::uint64_t request = adoptions_.ask(named.owner);
  node_.send_to_peer(named.owner, owner::AdoptActor{named.actor, request});
  while (!adoptions_.has_answer(request) && !state_.node_gone) wait(changed_, state_);
  const bool alive = adoptions_.take(request);
  if (state_.node_gone) throw_error(*state_.end);
  return alive ? state_.owner->borrowing().import({named.actor, named.owner}, true) : nullptr;
}

// --- answers

void ActorAccess::answered(const net::Named& answer) {
  const OwnerLock guard(state_);
  names_.arrived(answer);
  changed_.notify_all();
}

void ActorAccess::answered(const owner::Adopted& answer) {
  const OwnerLock guard(state_);
  adoptions_.answered(answer.request, answer.alive);
  changed_.notify_all();
}

void ActorAccess::client_died(ClientId owner) {
  adoptions_.died([&](ClientId each) { return each == owner; });
  changed_.notify_all();
}

void ActorAccess::node_died(NodeId node) {
  adoptions_.died([&](ClientId each) { return node_of(each) == node; });
  changed_.notify_all();
}

}  // namespace manta::client
