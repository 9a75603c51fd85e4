// Space in a full store: this process moves objects to its spill file and back, and has other processes do the same.
//
// The file is read and written under the client's lock, so that no thread begins to use an object that is being moved.
#include <algorithm>
#include <thread>

#include "core/base/log.h"
#include "core/client/client.h"

namespace manta::client {

namespace {

constexpr std::chrono::seconds kSpaceWithin{20};       // one allocation, all in all
constexpr std::chrono::seconds kAnswerWithin{5};       // of the node
constexpr std::chrono::milliseconds kFreeWithin{200};  // what others have spilled is free by then
constexpr std::chrono::milliseconds kAskAgainAfter{20};
constexpr int kDryRounds = 3;  // without anything that could be spilled, before it is an error
// At least so much at once: each time all objects are looked at.
std::uint64_t portion(std::uint64_t bytes, std::uint64_t capacity_bytes) {
  return std::max(bytes, std::min<std::uint64_t>(capacity_bytes / 16, 64 << 20));
}

}  // namespace

bool Client::spills() const { return welcome_.spill_directory != "none"; }

// Locked. Bytes that are free now, or when messages to their arenas have arrived.
std::uint64_t Client::spill(std::uint64_t bytes, Press press) {
  if (!spills() || (spilling_.failed && Clock::now() < spilling_.again_at)) return 0;
  const auto is_read = [&](const owner::StoredLocation& at) {
    return pins_.is_read(at) || (at.arena != self() && arenas_.known(at.arena) == nullptr);
  };
  const auto together = [](const std::vector<owner::Entry*>& entries) {
    std::uint64_t sum = 0;
    for (const owner::Entry* entry : entries) sum += entry->value.stored().size_bytes;
    return sum;
  };
  std::vector<owner::Entry*> entries = owner_->spilling().spillable(bytes, is_read);
  if (press == Press::yes && together(entries) < bytes) {
    owner_->leases().pressed();
    entries = owner_->spilling().spillable(bytes, is_read);
  }
  std::uint64_t made = 0;
  for (owner::Entry* entry : entries) {
    if (!spilling_.file) {
      auto file = store::SpillFile::open(welcome_.spill_directory);
      if (!file) {
        spill_failed(file.error());
        return made;
      }
      spilling_.file = std::move(*file);
      log::info("the store is full: objects of this process go to a file in ", welcome_.spill_directory);
    }
    const owner::StoredLocation at = entry->value.stored();
    const std::byte* data = nullptr;
    if (at.arena == self()) {
      data = arena().at(at.offset);
    } else if (auto place = arenas_.known(at.arena)->at(at.offset, at.size_bytes)) {
      data = *place;
    } else {
      continue;
    }
    auto extent = spilling_.file->write({data, at.size_bytes});
    if (!extent) {
      spill_failed(extent.error());
      return made;
    }
    owner_->spilling().spilled(*entry, *extent);
    made += at.size_bytes;
  }
  if (made > 0) spilling_.failed.reset();
  if (made > 0) log::debug("spilled ", sched::bytes_to_string(made));
  return made;
}

std::string Client::not_spilled() const { return spilling_.failed ? spilling_.failed->message() : std::string(); }

// One line for all failures in a row, and a pause before the next attempt that doubles.
void Client::spill_failed(const Error& error) {
  constexpr std::chrono::milliseconds kFirst{100}, kLongest{5'000};
  if (!spilling_.failed) log::warn("objects cannot be spilled: ", error.what());
  spilling_.pause = spilling_.failed ? std::min(2 * spilling_.pause, kLongest) : kFirst;
  spilling_.again_at = Clock::now() + spilling_.pause;
  spilling_.failed = error;
}

// What others could make. Never in the thread that reads the node's messages.
std::uint64_t Client::ask_for_space(std::uint64_t bytes) {
  MutexLock lock(space_answers_.mutex);
  const std::uint64_t number = ++space_answers_.last_number;
  space_answers_.answers[number] = std::nullopt;
  lock.unlock();
  send(net::NeedSpace{number, bytes});
  lock.lock();
  const Clock::time_point deadline = Clock::now() + kAnswerWithin;
  const std::optional<std::uint64_t>& answer = space_answers_.answers[number];
  while (!space_answers_.closed && !answer && space_answers_.arrived.wait_until(space_answers_.mutex, deadline))
    continue;
  const std::uint64_t made = answer.value_or(0);
  space_answers_.answers.erase(number);
  return made;
}

void Client::on_space_made(const net::SpaceMade& made) {
  {
    const MutexLock guard(space_answers_.mutex);
    const auto it = space_answers_.answers.find(made.number);
    if (it != space_answers_.answers.end()) it->second = made.bytes;
  }
  space_answers_.arrived.notify_all();
}

void Client::no_more_space() {
  {
    const MutexLock guard(space_answers_.mutex);
    space_answers_.closed = true;
  }
  space_answers_.arrived.notify_all();
}

Result<store::Block> Client::allocate(std::uint64_t size_bytes) {
  MutexLock lock(mutex_);
  auto block = arena().allocate(size_bytes);
  if (block || size_bytes > page_->store_capacity_bytes || !spills()) return block;
  const std::uint64_t wanted = portion(size_bytes, page_->store_capacity_bytes);
  const Clock::time_point begin = Clock::now(), deadline = begin + kSpaceWithin;
  bool said = false;
  spilling_.again_at =
      Clock::now();  // a thread asks: the program may have freed some of the file since the last attempt
  for (int dry = 0; dry < kDryRounds && Clock::now() < deadline;) {
    std::uint64_t made = spill(wanted, Press::yes);
    if (made == 0 && node_gone_) break;
    if (made == 0) {
      lock.unlock();
      made = ask_for_space(wanted);
      lock.lock();
    }
    dry = made == 0 ? dry + 1 : 0;
    if (Clock::now() - begin >= owner::UnmetDemand::kFirstLine && !std::exchange(said, true)) {
      stalls_.say_space("object of " + sched::bytes_to_string(size_bytes), size_bytes, not_spilled());
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
  const std::string why = spilling_.failed ? spilling_.failed->message()
                                           : "what is in use is read, borrowed or needed by a task that may run, and "
                                             "cannot be spilled";
  lock.unlock();
  return fail(ErrorCode::exhausted, block.error().message() + "; " + why + stalls_.holders_of_store());
}

Result<store::Block> Client::allocate_now(std::uint64_t size_bytes, Press press) {
  auto block = arena().allocate(size_bytes);
  if (block || size_bytes > page_->store_capacity_bytes || !spills()) return block;
  const std::uint64_t wanted = portion(size_bytes, page_->store_capacity_bytes);
  if (spill(wanted, press) > 0) {
    block = arena().allocate(size_bytes);
  } else if (Clock::now() - spilling_.asked_at > kAskAgainAfter) {
    spilling_.asked_at = Clock::now();
    send(net::NeedSpace{0, wanted});
  }
  return block;
}

// Locked, into a block of its size.
void Client::read_back(owner::Entry& entry, const store::Block& block) {
  auto read = spilling_.file->read(entry.value.spilled(), block.data);
  if (read) {
    owner_->spilling().restored(entry, {self(), block.offset, block.size_bytes});
    if (node_gone_) keep_own_arena();
  } else {
    arena().free(block.offset);
    owner_->spilling().unreadable(entry, read.error());
  }
}

bool Client::restore(owner::Entry& entry) {
  const auto block = allocate_now(entry.value.spilled().size_bytes, Press::yes);
  if (!block) return false;
  arena().prepare(*block);
  read_back(entry, *block);
  return !entry.value.failed();
}

void Client::restore_to_read(owner::Entry& entry, std::uint64_t size_bytes) {
  const auto block = allocate(size_bytes);
  if (!block) throw_error(block.error().with_context("an object that was spilled"));
  prepare(*block);
  const MutexLock guard(mutex_);
  if (entry.value.kind() == owner::Value::Kind::spilled) {
    read_back(entry, *block);
  } else {  // another thread was faster
    arena().free(block->offset);
  }
}

void Client::free_spilled(const owner::SpilledExtent& extent) { spilling_.file->free(extent); }

void Client::make_space(const net::MakeSpace& make) {
  std::uint64_t made = 0;
  {
    const MutexLock guard(mutex_);
    drain();  // results that no thread has drained yet are objects too
    made = spill(make.bytes, Press::yes);
  }
  send(net::MadeSpace{make.id, made});
}

}  // namespace manta::client
