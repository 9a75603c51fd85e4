#include "core/client/own_store.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/owner/unmet.h"
#include "core/sched/resources.h"

namespace manta::client {

namespace {

constexpr std::chrono::seconds kSpaceWithin{20};       // one allocation, all in all
constexpr std::chrono::milliseconds kFreeWithin{200};  // what others have spilled is free by then
constexpr std::chrono::milliseconds kAskAgainAfter{20};
constexpr int kDryRounds = 3;  // without anything that could be spilled, before it is an error
// At least so much at once: each time all objects are looked at.
std::uint64_t portion(std::uint64_t bytes, std::uint64_t capacity_bytes) {
  return std::max(bytes, std::min<std::uint64_t>(capacity_bytes / 16, 64 << 20));
}

}  // namespace

// --- the arena

store::Arena& OwnStore::arena() {
  if (!arena_) {
    Fd memory(::fcntl(memory_.get(), F_DUPFD_CLOEXEC, 0));  // the original stays for another attempt
    if (!memory) {
      throw Error(ErrorCode::exhausted, std::string("no descriptor for the object store is left: ") +
                                            std::strerror(errno) + limit_advice(EMFILE));
    }
    auto opened =
        store::Arena::open(std::move(memory), state_.page.store_capacity_bytes, state_.page.store, state_.slot.store);
    if (!opened) throw_error(opened.error());
    arena_ = std::move(*opened);
    memory_.reset();
  }
  return *arena_;
}

owner::Value OwnStore::make_value(const serial::Writer& value, std::size_t inline_limit) {
  const std::size_t size = value.encoded_size();
  if (size <= inline_limit) {
    owner::Value made = owner::Value::with_space(size, value.framed());
    value.encode_into(made.mutable_bytes());
    return made;
  }
  auto block = allocate(size);
  if (!block) throw_error(block.error());
  prepare(*block);
  value.encode_into(block->data);
  return owner::Value::at({self_of(state_), block->offset, size}, value.framed());
}

void OwnStore::free(std::uint64_t offset) {
  const OwnerLock guard(state_);
  free_block(offset);
}

void OwnStore::free_block(std::uint64_t offset) {
  if (arena_) arena_->free(offset);
}

void OwnStore::keep() {
  const OwnerLock guard(state_);
  state_.page.store.used_bytes = state_.slot.store.used_bytes.load();  // the other processes are gone
  keep_arena();
}

void OwnStore::keep_arena() {
  if (!arena_ || context_.arena_of(self_of(state_)) != nullptr) return;
  if (auto memory = arena_->reader_memory()) context_.arena_arrived(self_of(state_), std::move(*memory));
}

void OwnStore::close() {
  const OwnerLock guard(state_);
  arena_.reset();
}

Result<store::Block> OwnStore::allocate(std::uint64_t size_bytes) {
  OwnerLock lock(state_);
  auto block = arena().allocate(size_bytes);
  if (block || size_bytes > state_.page.store_capacity_bytes || !spills()) return block;
  const std::uint64_t wanted = portion(size_bytes, state_.page.store_capacity_bytes);
  const Clock::time_point begin = Clock::now(), deadline = begin + kSpaceWithin;
  bool said = false;
  again_at_ = Clock::now();  // a thread asks: the program may have freed some of the file since the last attempt
  for (int dry = 0; dry < kDryRounds && Clock::now() < deadline;) {
    std::uint64_t made = spill(wanted, Press::yes);
    if (made == 0 && state_.node_gone) break;
    if (made == 0) {
      lock.unlock();
      made = requests_.ask(wanted);
      lock.lock();
    }
    dry = made == 0 ? dry + 1 : 0;
    if (Clock::now() - begin >= owner::UnmetDemand::kFirstLine && !std::exchange(said, true)) {
      context_.say_space(size_bytes, not_spilled());
    }
    // Frees travel from process to process; where nothing was spilled, some may be on their way nevertheless.
    const Clock::time_point until = Clock::now() + (made == 0 ? kFreeWithin / 20 : kFreeWithin);
    for (;;) {
      block = arena().allocate(size_bytes);
      if (block || Clock::now() >= until) break;
      lock.unlock();
      std::this_thread::sleep_for(std::chrono::microseconds(200));
      lock.lock();
    }
    if (block) return block;
  }
  const std::string why = failed_ ? failed_->message()
                                  : "what is in use is read, borrowed or needed by a task that may run, and "
                                    "cannot be spilled";
  lock.unlock();
  return fail(ErrorCode::exhausted, block.error().message() + "; " + why + context_.holders_of_store());
}

Result<store::Block> OwnStore::allocate_now(std::uint64_t size_bytes, Press press) {
  auto block = arena().allocate(size_bytes);
  if (block || size_bytes > state_.page.store_capacity_bytes || !spills()) return block;
  const std::uint64_t wanted = portion(size_bytes, state_.page.store_capacity_bytes);
  if (spill(wanted, press) > 0) {
    block = arena().allocate(size_bytes);
  } else if (Clock::now() - asked_at_ > kAskAgainAfter) {
    asked_at_ = Clock::now();
    requests_.ask_only(wanted);
  }
  return block;
}

// --- spilling

bool OwnStore::open_file() {
  if (file_) return true;
  auto file = store::SpillFile::open(state_.welcome.spill_directory);
  if (!file) {
    spill_failed(file.error());
    return false;
  }
  file_ = std::move(*file);
  log::info("the store is full: objects of this process go to a file in ", state_.welcome.spill_directory);
  return true;
}

// Bytes that are free now, or when messages to their arenas have arrived.
std::uint64_t OwnStore::spill(std::uint64_t bytes, Press press) {
  if (!spills() || (failed_ && Clock::now() < again_at_)) return 0;
  const auto is_read = [&](const owner::StoredLocation& at)
                           MANTA_REQUIRES(owner_mutex) { return context_.is_read(at); };
  const auto together = [](const std::vector<owner::Entry*>& entries) {
    std::uint64_t sum = 0;
    for (const owner::Entry* entry : entries) sum += owner::size_of(entry->value.location());
    return sum;
  };
  std::vector<owner::Entry*> entries = state_.owner->spilling().spillable(bytes, is_read);
  if (press == Press::yes && together(entries) < bytes) {
    state_.owner->leases().pressed();
    entries = state_.owner->spilling().spillable(bytes, is_read);
  }
  std::uint64_t made = 0;
  for (owner::Entry* entry : entries) {
    if (!open_file()) return made;
    const owner::StoredLocation at = entry->value.stored();
    const std::byte* data = nullptr;
    if (at.arena == self_of(state_)) {
      data = arena().at(at.offset);
    } else if (auto place = context_.arena_of(at.arena)->at(at.offset, at.size_bytes)) {
      data = *place;
    } else {
      continue;
    }
    auto extent = file_->write({data, at.size_bytes});
    if (!extent) {
      spill_failed(extent.error());
      return made;
    }
    state_.owner->spilling().spilled(*entry, *extent);
    made += at.size_bytes;
  }
  if (made > 0) failed_.reset();
  if (made > 0) log::debug("spilled ", sched::bytes_to_string(made));
  return made;
}

// One line for all failures in a row, and a pause before the next attempt that doubles.
void OwnStore::spill_failed(const Error& error) {
  constexpr std::chrono::milliseconds kFirst{100}, kLongest{5'000};
  if (!failed_) log::warn("objects cannot be spilled: ", error.what());
  pause_ = failed_ ? std::min(2 * pause_, kLongest) : kFirst;
  again_at_ = Clock::now() + pause_;
  failed_ = error;
}

// Into a block of its size.
void OwnStore::read_back(owner::Entry& entry, const store::Block& block) {
  auto read = file_->read(std::get<owner::SpilledExtent>(entry.value.location()), block.data);
  if (read) {
    state_.owner->spilling().restored(entry, {self_of(state_), block.offset, block.size_bytes});
    if (state_.node_gone) keep_arena();
  } else {
    arena().free(block.offset);
    state_.owner->spilling().unreadable(entry, read.error());
  }
}

bool OwnStore::restore(owner::Entry& entry) {
  const auto block = allocate_now(owner::size_of(entry.value.location()), Press::yes);
  if (!block) return false;
  arena().prepare(*block);
  read_back(entry, *block);
  return !entry.value.failed();
}

void OwnStore::restore_to_read(owner::Entry& entry, std::uint64_t size_bytes) {
  const auto block = allocate(size_bytes);
  if (!block) throw_error(block.error().with_context("an object that was spilled"));
  prepare(*block);
  const OwnerLock guard(state_);
  if (entry.value.spilled()) {
    read_back(entry, *block);
  } else {  // another thread was faster
    arena().free(block->offset);
  }
}

std::uint64_t OwnStore::make_space(std::uint64_t bytes) {
  const OwnerLock guard(state_);
  context_.drain();  // results that no thread has drained yet are objects too
  return spill(bytes, Press::yes);
}

}  // namespace manta::client
