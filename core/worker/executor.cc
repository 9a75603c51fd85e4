#include "core/worker/executor.h"

#include <stdio_ext.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <thread>
#include <utility>

#include "core/net/spin.h"
#include "core/worker/message_task.h"
#include "core/worker/ring_task.h"
#include "core/worker/task_threads.h"

namespace manta::worker {

using client::Client;

Executor::Executor()
    : rings_([this](const net::RingWorker& ring) { released_cpus_.forget(ring); }),
      released_cpus_(*this),
      suspended_(*this),
      host_(arguments_, streams_, suspended_, *this) {}

// --- what the node and submitters send

std::string Executor::name(const net::Welcome& welcome) const {
  return "worker " + std::to_string(::getpid()) + " on " + welcome.host;
}

void Executor::begin(Client& client) {
  client_ = &client;
  arguments_.attach(client);
  rings_.attach(client);
  suspended_.attach(client);
  host_.attach(client);
  client.runner().hosts(host_.identity());
  client.waiting().release_cpus_by(*this);
  if (client.welcome().output_captured) client.events().subscribe_to_tasks(output_.emplace(client.slot()), false);
}

void Executor::receive(net::NodeMessage& message, std::vector<Fd>& descriptors) {
  if (const auto* open = std::get_if<net::OpenRing>(&message)) open_ring(*open, descriptors);
  if (const auto* close = std::get_if<net::CloseRing>(&message))
    add_event({Event::Kind::close, {close->submitter, 0}, Fd()});
}

bool Executor::receive(ClientId from, net::PeerPacket& packet) {
  if (auto* task = std::get_if<net::RunTask>(&packet)) {
    push_remote(from, std::move(*task));
  } else if (std::holds_alternative<net::TakeBackTasks>(packet)) {
    client_->node().send_to_peer(from, net::TasksReturned{remote_.take(from)});
  } else if (const auto* stop = std::get_if<net::StopTask>(&packet)) {
    client_->stopping().stop(from, *stop, *this);
  } else {
    return streams_.receive(from, packet);
  }
  return true;
}

void Executor::connection_ended() { ::_exit(0); }  // a worker without its node has nothing to live for

void Executor::add_event(Event event) {
  {
    const MutexLock guard(events_mutex_);
    events_.push_back(std::move(event));
    have_events_ = true;
  }
  client_->slot().tasks.wake();
}

void Executor::open_ring(const net::OpenRing& message, std::vector<Fd>& descriptors) {
  if (descriptors.size() != 2) return;
  client_->values().arena_arrived(message.submitter, std::move(descriptors[1]));
  add_event({Event::Kind::open, message, std::move(descriptors[0])});
}

void Executor::client_died(ClientId client) {
  streams_.reader_died(client);
  add_event({Event::Kind::died, {client, 0}, Fd()});
}

void Executor::push_remote(ClientId submitter, net::RunTask task) {
  const std::uint64_t position = task.position;
  if (remote_.push(submitter, std::move(task))) {
    client_->slot().tasks.wake();
  } else {
    client_->node().send_to_peer(submitter, net::TasksReturned{{position}});
  }
}

bool Executor::take_back_task(ClientId submitter, const TaskId& task) {
  const auto position = remote_.take(submitter, task);
  if (position) client_->node().send_to_peer(submitter, net::TasksReturned{{*position}});
  return position.has_value();
}

void Executor::suspended_stopped() {
  suspended_.stopped();
  client_->slot().tasks.wake();
}

void Executor::notify_submitter(ClientId submitter, bool released) {
  remote_.set_blocked(released);
  // First that it waits, so that what comes back goes elsewhere.
  client_->node().send_to_peer(submitter, net::WorkerBlocked{released});
  if (released) client_->node().send_to_peer(submitter, net::TasksReturned{remote_.take(submitter)});
}

client::RunningTask*& Executor::this_thread() {
  thread_local client::RunningTask* running = nullptr;
  return running;
}

void Executor::apply_events() {
  std::vector<Event> events;
  {
    const MutexLock guard(events_mutex_);
    events.swap(events_);
    have_events_ = false;
  }
  for (const Event& event : events) {
    event.kind == Event::Kind::open ? rings_.open(event.message, event.ring) : submitter_gone(event);
  }
}

void Executor::submitter_gone(const Event& event) {
  const ClientId submitter = event.message.submitter;
  if (actor().hosts() && submitter == actor().owner()) {
    end_with_actor(actor().has_coroutines() || !rings_.anything_runs());
  }
  rings_.close(submitter);
  (void)remote_.take(submitter);
  if (event.kind == Event::Kind::close) client_->node().send(net::RingClosed{submitter});
}

// --- the loop

void Executor::run() { run_thread(); }

void Executor::loop() {
  this_thread() = &client_->stopping().add_thread();
  net::Doorbell& bell = client_->slot().tasks;
  const auto spin_for = std::chrono::nanoseconds(client_->welcome().spin_ns);
  net::Spin spin{false};
  for (;;) {
    if (have_events_.load(std::memory_order_acquire)) apply_events();
    if (run_ready()) continue;
    client_->events().publish_task(observe::Idle{});
    const auto start = Client::Clock::now();
    spin.begin(start, spin_for);
    bool found = false;
    for (std::uint32_t n = 0; spin_for.count() > 0 && !found; ++n) {
      if (actor().has_coroutines() && client_->watchers().awaits().any()) client_->watchers().drain_awaited();
      found = run_ready();
      if (n > 1 && !found && rings_.submitter_waits_for_this_cpu()) spin.give_way();
      if ((n & 15) == 15) {
        if (spin.over(Client::Clock::now() - start)) break;
        if (n > 64) spin.perhaps_give_way();  // the submitter may be waiting for this very processor
      }
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    }
    if (found) continue;
    const std::uint32_t seen = bell.rings.load(std::memory_order_seq_cst);
    bell.take();
    if (!actor().hosts()) released_cpus_.runs_nothing();
    if (!rings_.prepare_sleep(!full()) || have_events_.load(std::memory_order_seq_cst)) continue;
    if (remote_.waiting() && !full()) continue;
    sleep(bell, seen);
  }
}

// Until a record is published, a coroutine is ready, or its time has come; not if there is something already.
void Executor::sleep(net::Doorbell& bell, std::uint32_t seen) {
  if (!actor().has_coroutines()) {
    bell.sleep(seen, Client::Clock::time_point::max());
    return;
  }
  const bool awaiting = client_->watchers().awaits().any();
  if (awaiting && !client_->watchers().prepare_to_sleep_awaiting()) return;
  if (suspended_.ready()) return;
  // CLIENT-4: what the calls wait for may need the actor's CPUs.
  const bool releases = awaiting && actor().cpus() != 0;
  const std::uint64_t wait = releases ? released_cpus_.wait_begins() : 0;
  bell.sleep(seen, suspended_.next_time());
  if (releases) released_cpus_.wait_ends(wait);
}

bool Executor::run_ready() {
  bool ran = actor().has_coroutines() && suspended_.run();
  ran = run_rings() || ran;
  if (remote_.waiting()) ran = run_remote() || ran;
  return ran;
}

bool Executor::run_rings() {
  bool ran = false;
  while (!have_events_.load(std::memory_order_relaxed) && !full()) {
    this_thread()->looking();
    const IncomingRings::Claimed claimed = rings_.claim();
    if (claimed.ring == nullptr) {
      this_thread()->idle();
      break;
    }
    RingTask task(*client_, arguments_, rings_, *claimed.ring, *claimed.record);
    const bool releases = !actor().hosts();
    if (releases) released_cpus_.runs(claimed.ring->ring);
    execute(task);
    this_thread()->idle();
    if (releases) released_cpus_.runs_nothing();
    if (::__fpending(stdout) != 0) std::fflush(stdout);  // workers end by _exit or a signal, without this
    if (actor().has_coroutines()) suspended_.run();      // CORO-2
    ran = true;
  }
  return ran;
}

bool Executor::run_remote() {
  bool ran = false;
  while (!have_events_.load(std::memory_order_relaxed) && !full()) {
    this_thread()->looking();
    auto popped = remote_.pop();
    if (!popped) {
      this_thread()->idle();
      break;
    }
    MessageTask task(*client_, arguments_, popped->submitter, std::move(popped->run));
    const bool releases = !actor().hosts();
    if (releases) released_cpus_.runs(popped->submitter);
    execute(task);
    this_thread()->idle();
    if (releases) released_cpus_.runs_nothing();
    if (::__fpending(stdout) != 0) std::fflush(stdout);
    ran = true;
  }
  return ran;
}

// --- one task

void Executor::execute(IncomingTask& task) {
  this_thread()->begin(task.head().id, task.head().submitter);
  if (task.head().kind != net::TaskKind::end) use_cpus(host_.cpus_of(task.head()));
  host_.execute(task, *this_thread());
}

bool Executor::resumes(IncomingTask&, const client::TaskContext& context) {
  use_cpus(context.cpus);
  return true;
}

// --- the actor

void Executor::actor_made() {
  released_cpus_.host_actor();
  rings_.set_actor_concurrency(actor().concurrency());
  if (actor().concurrency() <= 1 || actor().has_coroutines()) return;
  rings_.set_concurrent();
  for (std::uint32_t i = 1; i < actor().concurrency(); ++i) std::thread([this] { run_thread(); }).detach();
}

// EXEC-4.
void Executor::end_with_actor(bool destroy) {
  if (destroy) host_.destroy_actor();
  leave(0);
}

void Executor::leave(int status) {
  std::fflush(stdout);
  client_->events().publish_task(observe::Idle{});
  client_->flush(Client::Clock::now() + std::chrono::seconds(10));
  ::_exit(status);
}

}  // namespace manta::worker
