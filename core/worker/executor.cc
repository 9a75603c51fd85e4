#include "core/worker/executor.h"

#include <cxxabi.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio_ext.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include <manta/detail/threads.h>

#include "core/base/log.h"
#include "core/net/spin.h"

namespace manta::worker {

using client::Client;
using net::PayloadKind;
using net::Record;

namespace {

// Records of one submitter in a row while others wait.
constexpr std::uint32_t kTurn = 64;

}  // namespace

// --- rings

void Executor::open_ring(const net::OpenRing& message, Fd ring) {
  {
    const MutexLock guard(events_mutex_);
    events_.push_back({Event::Kind::open, message, std::move(ring)});
    have_events_ = true;
  }
  Client::current()->slot().tasks.wake();
}

void Executor::close_ring(ClientId submitter) {
  {
    const MutexLock guard(events_mutex_);
    events_.push_back({Event::Kind::close, {submitter, 0}, Fd()});
    have_events_ = true;
  }
  Client::current()->slot().tasks.wake();
}

void Executor::client_died(ClientId client) {
  streams_.reader_died(client);
  {
    const MutexLock guard(events_mutex_);
    events_.push_back({Event::Kind::died, {client, 0}, Fd()});
    have_events_ = true;
  }
  Client::current()->slot().tasks.wake();
}

client::RunningTask*& Executor::this_thread() {
  thread_local client::RunningTask* running = nullptr;
  return running;
}

void Executor::apply_events() {
  const MutexLock lock(rings_mutex_, several_threads());
  std::vector<Event> events;
  {
    const MutexLock guard(events_mutex_);
    events.swap(events_);
    have_events_ = false;
  }
  for (Event& item : events) {
    if (item.kind == Event::Kind::open) {
      open(item);
      continue;
    }
    close(item.incoming.submitter);
    (void)remote_.take(item.incoming.submitter);
    if (item.kind == Event::Kind::close) client_->send(net::RingClosed{item.incoming.submitter});
  }
}

void Executor::open(const Event& event) {
  auto memory = net::RingMemory::attach(event.ring.get());
  if (!memory) {  // its submitter would wait for ever
    log::error("a worker process ends, because it cannot map the tasks of another process: ", memory.error().what());
    ::_exit(1);
  }
  if (event.incoming.submitter_slot >= net::NodePage::kSlots) return;
  if (actor_.object != nullptr) (*memory)->concurrency.store(concurrency_, std::memory_order_relaxed);
  auto incoming = std::make_unique<Incoming>();
  incoming->submitter = event.incoming.submitter;
  incoming->memory = *memory;
  incoming->ring = net::RingWorker(**memory, client_->page().slots[event.incoming.submitter_slot].replies,
                                   net::group_of(client_->self()));
  rings_.push_back(std::move(incoming));
}

void Executor::close(ClientId submitter) {
  if (actor_.object != nullptr && submitter == actor_owner_) {
    end_with_actor(hosts_coroutines_ ||
                   std::all_of(rings_.begin(), rings_.end(), [](const auto& c) { return c->running == 0; }));
  }
  const auto it = std::find_if(rings_.begin(), rings_.end(), [&](const auto& c) { return c->submitter == submitter; });
  if (it == rings_.end()) return;
  (*it)->closing = true;
  if ((*it)->running == 0) erase(**it);
}

void Executor::erase(Incoming& incoming) {
  {
    const MutexLock guard(client_->lock());
    for (const auto& [record, block] : incoming.blocks) client_->arena().free(block);
  }
  lending_.forget(incoming.ring);
  net::RingMemory::unmap(incoming.memory);
  std::erase_if(rings_, [&](const auto& c) { return c.get() == &incoming; });
}

// --- the loop

void Executor::loop() {
  this_thread() = &client_->add_thread();
  net::Doorbell& bell = client_->slot().tasks;
  const auto spin_for = std::chrono::nanoseconds(client_->welcome().spin_ns);
  net::Spin spin{false};
  for (;;) {
    if (have_events_.load(std::memory_order_acquire)) apply_events();
    if (run_ready()) continue;
    if (client::Timeline* timeline = client::Timeline::current()) timeline->flush();
    const auto start = Client::Clock::now();
    spin.begin(start, spin_for);
    bool found = false;
    for (std::uint32_t n = 0; spin_for.count() > 0 && !found; ++n) {
      if (hosts_coroutines_ && client_->awaits().any()) client_->drain_awaited();
      found = run_ready();
      if (n > 1 && !found && submitter_waits_for_this_cpu()) spin.give_way();
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
    if (!prepare_sleep() || have_events_.load(std::memory_order_seq_cst)) continue;
    if (remote_.waiting() && !full()) continue;
    if (hosts_coroutines_) {
      sleep_beside_coroutines(bell, seen);
    } else {
      bell.sleep(seen, Client::Clock::time_point::max());
    }
  }
}

// Whether the submitter that was served last looked for results on this CPU last: it cannot run while we spin.
bool Executor::submitter_waits_for_this_cpu() {
  const std::uint32_t here = net::this_cpu();
  client_->slot().tasks.look_from(here);
  const MutexLock lock(rings_mutex_, several_threads());
  return turn_ < rings_.size() && rings_[turn_]->ring.submitter_cpu() == here;
}

// The next record to run. Each submitter has its turn.
bool Executor::next(Work& work) {
  if (full()) return false;
  this_thread()->looking();
  const MutexLock lock(rings_mutex_, several_threads());
  const std::size_t first = turn_;
  for (std::size_t tried = 0; tried <= rings_.size() && !rings_.empty(); ++tried) {
    if (turn_ >= rings_.size()) turn_ = 0;
    Incoming& incoming = *rings_[turn_];
    if (served_ < kTurn && !incoming.closing) {
      if (!incoming.blocks.empty()) free_taken_blocks(incoming);
      if (Record* record = incoming.ring.claim()) {
        ++served_;
        ++incoming.running;
        work = {&incoming, record, std::nullopt};
        if (concurrent_.load(std::memory_order_relaxed)) leave_others_to_look();
        return true;
      }
    }
    ++turn_;
    served_ = 0;
  }
  turn_ = first;  // the one served last, see submitter_waits_for_this_cpu
  this_thread()->idle();
  return false;
}

// This thread looks no more, but others of it may sleep: publishers ring from now on, or one is woken.
void Executor::leave_others_to_look() {
  bool quiet = true;
  for (const auto& incoming : rings_) quiet = incoming->ring.stop_looking() && quiet;
  if (!quiet) client_->slot().tasks.wake();
}

bool Executor::run_ready() {
  bool ran = hosts_coroutines_ && run_coroutines();
  for (Work work; !have_events_.load(std::memory_order_relaxed) && next(work); ran = true) {
    const bool task = actor_.object == nullptr;
    if (task) lending_.runs(work.incoming->ring);
    execute(work);
    this_thread()->idle();
    if (task) lending_.runs_nothing();
    if (::__fpending(stdout) != 0) std::fflush(stdout);  // workers end by _exit or a signal, without this
    if (hosts_coroutines_) run_coroutines();             // CORO-2
  }
  if (remote_.waiting()) ran = run_remote() || ran;
  return ran;
}

bool Executor::prepare_sleep() {
  if (actor_.object == nullptr) lending_.runs_nothing();
  const MutexLock lock(rings_mutex_, several_threads());
  bool quiet = true;
  for (const auto& incoming : rings_) {
    incoming->ring.flush();
    if (full()) continue;  // a call ends before the next one begins
    quiet = incoming->ring.stop_looking() && quiet;
  }
  return quiet;
}

void Executor::free_taken_blocks(Incoming& incoming) {
  while (!incoming.blocks.empty() &&
         incoming.blocks.front().first->state.load(std::memory_order_acquire) != net::RecordState::done) {
    const MutexLock guard(client_->lock());
    client_->arena().free(incoming.blocks.front().second);
    incoming.blocks.pop_front();
  }
}

void Executor::set_threads(std::uint32_t cpus) {
  thread_local std::optional<std::uint32_t> known;  // empty: a new thread has the libraries' defaults, all CPUs
  if (cpus == known) return;
  known = cpus;
  detail::set_library_threads(std::max(1, static_cast<int>(cpus / 10'000)));
}

// --- one task

MANTA_CATCHES_FORCED_UNWIND void Executor::execute(Work& work) {
  Record& record = *work.record;
  this_thread()->begin(record.task, work.incoming->submitter);
  if ((record.flags & Record::kEnd) != 0) {
    work.incoming->ring.finish(record, true);
    end_with_actor(true);
  }
  const net::TaskKind kind = (record.flags & Record::kMethod) != 0      ? net::TaskKind::method
                             : (record.flags & Record::kConstruct) != 0 ? net::TaskKind::construct
                                                                        : net::TaskKind::task;
  net::RingMemory& memory = *work.incoming->memory;
  client::TaskContext context;
  context.id = record.task;
  context.running = this_thread();
  context.cpus = kind == net::TaskKind::method ? actor_cpus_ : memory.task_cpus.load(std::memory_order_relaxed);
  set_threads(context.cpus);
  OutgoingStream items(streams_, *client_, work.incoming->submitter, record.task, record.attempt);
  context.items = &items;
  client::TaskInput input;
  detail::ActorInstance made;
  Ended ended;
  try {
    if (attach_actor(kind, context, made, ended.error)) {
      read_input(record, context, input);
      ended.ok = client::run_task(*client_, context, input, ended.result, ended.error, ended.user_exception);
    }
  } catch (const Error& failed) {
    ended.error = failed.with_context("arguments of a task");
  } catch (abi::__forced_unwind&) {
    ended.error = thread_ended(input);
    settle(work, context, input, ended);
    ::_exit(1);
  }
  if (context.coroutine.call != nullptr) {
    suspend(context, input).work = work;
    return;
  }
  if (kind == net::TaskKind::construct) {
    if (!ended.ok) memory.concurrency.store(1, std::memory_order_relaxed);
    if (ended.ok) {
      host({made, work.incoming->submitter, context.cpus, memory.concurrency.load(std::memory_order_relaxed)});
    }
  }
  if (items.begun()) ended.items = items.items();
  settle(work, context, input, ended);
}

// The record's reply, after the end of its function.
void Executor::settle(Work& work, client::TaskContext& context, client::TaskInput& input, Ended& ended) {
  input = {};
  std::vector<detail::WireRef> kept;
  if (!context.imported.empty()) kept = settle_imports(context);
  const auto start_reply = [&] {
    client::ReplyParts parts;
    parts.kept = kept;
    parts.streamed = ended.items.has_value();
    parts.items = ended.items.value_or(0);
    return parts;
  };
  try {
    if (!ended.ok) {
      client::ReplyParts parts = start_reply();
      parts.user_exception = ended.user_exception;
      write_error(work, ended.error, std::move(parts));
    } else if (ended.result.refs().empty() && kept.empty() && !ended.items) {
      write_value(work, ended.result);
    } else {
      client::ReplyParts parts = start_reply();
      parts.value = client::reply_value(client_->make_value(ended.result, client::kStoredFromBytes));
      {
        const MutexLock guard(client_->lock());
        parts.contained = client_->owner().borrowing().export_to(client::entries_of(ended.result.refs()),
                                                                 work.incoming->submitter);  // EXEC-2
      }
      write_parts(work, std::move(parts));
    }
  } catch (const Error& failed) {
    write_error(work, failed.with_context("result of a task"), start_reply());
  }
  finish(work);
}

void Executor::finish(Work& work) {
  const MutexLock lock(rings_mutex_, several_threads());
  Incoming& incoming = *work.incoming;
  incoming.ring.finish(*work.record, true);
  if (work.block) incoming.blocks.emplace_back(work.record, *work.block);
  --incoming.running;
  if (incoming.closing && incoming.running == 0) erase(incoming);
}

void Executor::read_input(const Record& record, client::TaskContext& context, client::TaskInput& input) {
  input.function.value = record.function;
  input.ref_mask = record.ref_mask;
  input.attempt = record.attempt;
  const bool framed = (record.flags & Record::kFramed) != 0;
  std::span<const std::byte> bytes;
  if (record.kind == PayloadKind::bytes) {
    auto payload = net::payload_of(record);
    if (!payload) throw_error(payload.error());
    bytes = *payload;
  } else if (record.kind == PayloadKind::block) {
    auto block = net::block_of(record);
    if (!block) throw_error(block.error());
    bytes = read_block(block->arena, block->offset, block->size_bytes, input);
  } else if (record.kind != PayloadKind::none) {
    throw Error(ErrorCode::internal, "a task of unknown kind");
  }
  if ((record.flags & Record::kHasRefs) == 0) {
    input.values = {bytes, framed, nullptr};
    return;
  }
  read_parts(bytes, context, input);
}

void Executor::read_parts(std::span<const std::byte> bytes, client::TaskContext& context, client::TaskInput& input) {
  const client::RequestPart values = client::take_part(bytes);
  if (values.stored) {
    input.values = {read_block(values.location.arena, values.location.offset, values.location.size_bytes, input),
                    values.framed, nullptr};
  } else {
    input.values = {values.bytes, values.framed, nullptr};
  }
  while (!bytes.empty()) {
    const client::RequestPart part = client::take_part(bytes);
    if (!part.stored) {
      if (part.label)
        input.label.assign(reinterpret_cast<const char*>(part.bytes.data()), part.bytes.size());
      else
        input.references.push_back({part.bytes, part.framed, nullptr});
      continue;
    }
    owner::Entry* entry = nullptr;
    {
      const MutexLock guard(client_->lock());
      entry = client_->owner().borrowing().import(part.object, false);
    }
    if (!entry->owned) {
      detail::retain(entry);
      context.imported.push_back(entry);
    }
    input.references.push_back(client_->view_stored(part.location, part.framed, entry));
  }
}

// Bytes in another process' arena that its owner keeps until the reply.
std::span<const std::byte> Executor::read_block(ClientId arena, std::uint64_t offset, std::uint64_t size,
                                                client::TaskInput& input) {
  using Keepalive = std::shared_ptr<const void>;
  Keepalive memory;
  auto data = client_->stored_bytes({arena, offset, size}, memory);
  if (!data) throw_error(data.error());
  // The arguments may lie in one block, and name another that holds the values.
  input.keepalive =
      input.keepalive ? std::make_shared<std::pair<Keepalive, Keepalive>>(input.keepalive, memory) : memory;
  return {*data, size};
}

std::vector<detail::WireRef> Executor::settle_imports(client::TaskContext& context) {
  std::vector<detail::WireRef> kept;
  {
    const MutexLock guard(client_->lock());
    std::sort(context.imported.begin(), context.imported.end());
    std::vector<owner::Entry*> once = context.imported;
    once.erase(std::unique(once.begin(), once.end()), once.end());
    // Each entry is held as often as it was imported. One hold of it stays, so that the count shows whether it is kept.
    for (std::size_t i = 1; i < context.imported.size(); ++i) {
      if (context.imported[i] == context.imported[i - 1]) context.imported[i]->refs.fetch_sub(1);
    }
    context.imported = once;
    kept = client_->owner().borrowing().kept_after_task(once);
  }
  for (owner::Entry* entry : context.imported) detail::release(entry);
  return kept;
}

// --- results

void Executor::write_value(Work& work, const serial::Writer& result) {
  Record& record = *work.record;
  const std::size_t size = result.encoded_size();
  record.flags = result.framed() ? Record::kFramed : 0;
  if (size <= Record::kPayloadBytes) {
    record.kind = PayloadKind::bytes;
    record.size_bytes = static_cast<std::uint32_t>(size);
    result.encode_into(record.payload);
  } else if (size <= client::kStoredFromBytes) {
    if (!write_block(work, size, [&](std::byte* to) { result.encode_into(to); })) {
      throw Error(ErrorCode::exhausted,
                  "no room in the node's store for a result of " + std::to_string(size) + " bytes");
    }
  } else {
    const owner::Value value = client_->make_value(result, 0);
    const net::BlockRef ref{value.stored().arena, value.stored().offset, value.stored().size_bytes};
    record.kind = PayloadKind::stored;
    record.size_bytes = sizeof ref;
    std::memcpy(record.payload, &ref, sizeof ref);
  }
}

bool Executor::write_block(Work& work, std::size_t size, const std::function<void(std::byte*)>& fill) {
  const auto room = client_->allocate(size);
  if (!room) return false;
  const store::Block& block = *room;
  fill(block.data);
  work.block = block.offset;
  Record& record = *work.record;
  const net::BlockRef ref{client_->self(), block.offset, size};
  record.kind = PayloadKind::block;
  record.size_bytes = sizeof ref;
  std::memcpy(record.payload, &ref, sizeof ref);
  return true;
}

void Executor::write_parts(Work& work, client::ReplyParts parts) {
  Record& record = *work.record;
  std::vector<std::byte> bytes = client::encode(parts);
  record.flags = Record::kHasRefs;
  if (bytes.size() > Record::kPayloadBytes &&
      write_block(work, bytes.size(), [&](std::byte* to) { std::memcpy(to, bytes.data(), bytes.size()); })) {
    return;
  }
  if (bytes.size() > Record::kPayloadBytes) {  // the store is full: what still fits is the kind of the error
    client::ReplyParts less;
    less.failed = true;
    less.error.code = static_cast<std::uint8_t>(ErrorCode::exhausted);
    less.error.message = "the node's store is full";
    bytes = client::encode(less);
  }
  record.kind = PayloadKind::bytes;
  record.size_bytes = static_cast<std::uint32_t>(bytes.size());
  std::memcpy(record.payload, bytes.data(), bytes.size());
}

void Executor::write_error(Work& work, const Error& error, client::ReplyParts parts) {
  parts.failed = true;
  parts.error = net::to_wire(error);
  write_parts(work, std::move(parts));
}

}  // namespace manta::worker
