#include "core/worker/incoming_rings.h"

#include <unistd.h>

#include <algorithm>

#include "core/base/log.h"
#include "core/net/spin.h"

namespace manta::worker {

namespace {

// Records of one submitter in a row while others wait.
constexpr std::uint32_t kTurn = 64;

}  // namespace

void IncomingRings::open(const net::OpenRing& message, const Fd& file) {
  auto memory = net::RingMemory::attach(file.get());
  if (!memory) {
    log::error("a worker process ends, because it cannot map the tasks of another process: ", memory.error().what());
    ::_exit(1);
  }
  if (message.submitter_slot >= net::NodePage::kSlots) return;
  const MutexLock lock(mutex_, several_threads());
  if (actor_concurrency_ > 0) (*memory)->concurrency.store(actor_concurrency_, std::memory_order_relaxed);
  auto made = std::make_unique<IncomingRing>();
  made->submitter = message.submitter;
  made->memory = *memory;
  made->ring =
      net::RingWorker(**memory, client_->page().slots[message.submitter_slot].replies, net::group_of(client_->self()));
  rings_.push_back(std::move(made));
}

void IncomingRings::close(ClientId submitter) {
  const MutexLock lock(mutex_, several_threads());
  const auto it = std::find_if(rings_.begin(), rings_.end(), [&](const auto& r) { return r->submitter == submitter; });
  if (it == rings_.end()) return;
  (*it)->closing = true;
  if ((*it)->running == 0) erase(**it);
}

bool IncomingRings::anything_runs() {
  const MutexLock lock(mutex_, several_threads());
  return std::any_of(rings_.begin(), rings_.end(), [](const auto& ring) { return ring->running != 0; });
}

void IncomingRings::erase(IncomingRing& ring) {
  for (const auto& [record, block] : ring.blocks) client_->store().free(block);
  forget_(ring.ring);
  net::RingMemory::unmap(ring.memory);
  std::erase_if(rings_, [&](const auto& r) { return r.get() == &ring; });
}

bool IncomingRings::submitter_waits_for_this_cpu() {
  const std::uint32_t here = net::this_cpu();
  client_->slot().tasks.look_from(here);
  const MutexLock lock(mutex_, several_threads());
  return turn_ < rings_.size() && rings_[turn_]->ring.submitter_cpu() == here;
}

IncomingRings::Claimed IncomingRings::claim() {
  const MutexLock lock(mutex_, several_threads());
  const std::size_t first = turn_;
  for (std::size_t tried = 0; tried <= rings_.size() && !rings_.empty(); ++tried) {
    if (turn_ >= rings_.size()) turn_ = 0;
    IncomingRing& ring = *rings_[turn_];
    if (served_ < kTurn && !ring.closing) {
      if (!ring.blocks.empty()) free_taken_blocks(ring);
      if (net::Record* record = ring.ring.claim()) {
        ++served_;
        ++ring.running;
        if (several_threads()) leave_others_to_look();
        return {&ring, record};
      }
    }
    ++turn_;
    served_ = 0;
  }
  turn_ = first;  // the one served last, see submitter_waits_for_this_cpu
  return {};
}

// This thread looks no more, but others of it may sleep: publishers ring from now on, or one is woken.
void IncomingRings::leave_others_to_look() {
  bool quiet = true;
  for (const auto& ring : rings_) quiet = ring->ring.stop_looking() && quiet;
  if (!quiet) client_->slot().tasks.wake();
}

bool IncomingRings::prepare_sleep(bool more) {
  const MutexLock lock(mutex_, several_threads());
  bool quiet = true;
  for (const auto& ring : rings_) {
    ring->ring.flush();
    if (more) quiet = ring->ring.stop_looking() && quiet;
  }
  return quiet;
}

void IncomingRings::free_taken_blocks(IncomingRing& ring) {
  while (!ring.blocks.empty() &&
         ring.blocks.front().first->state.load(std::memory_order_acquire) != net::RecordState::done) {
    client_->store().free(ring.blocks.front().second);
    ring.blocks.pop_front();
  }
}

void IncomingRings::finish(IncomingRing& ring, net::Record& record, const std::optional<std::uint64_t>& block) {
  const MutexLock lock(mutex_, several_threads());
  ring.ring.finish(record, true);
  if (block) ring.blocks.emplace_back(&record, *block);
  --ring.running;
  if (ring.closing && ring.running == 0) erase(ring);
}

void IncomingRings::set_actor_concurrency(std::uint32_t calls) {
  const MutexLock lock(mutex_, several_threads());
  actor_concurrency_ = calls;
  for (const auto& ring : rings_) ring->memory->concurrency.store(calls, std::memory_order_relaxed);
}

}  // namespace manta::worker
