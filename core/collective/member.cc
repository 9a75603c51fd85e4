#include "core/collective/member.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

#include "core/net/futex.h"
#include "core/net/spin.h"
#include "core/settings/read.h"

namespace manta::collective {

namespace {

int cpus() {
  cpu_set_t set;
  return ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

// A waiting thread may keep a CPU busy only if there is another one for each of those it waits for.
std::chrono::nanoseconds spin_for(int size) {
  if (cpus() < size) return {};
  const double spin_us = settings::number_or_default("MANTA_SPIN_US");
  return std::chrono::nanoseconds(static_cast<std::int64_t>(spin_us * 1000));
}

Fd open_process([[maybe_unused]] int process) {
#ifdef SYS_pidfd_open
  return Fd(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
#else
  return Fd();
#endif
}

// Ended, but its parent has not read its exit status: kill() still finds it.
bool is_zombie(int process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  std::string line;
  std::getline(file, line);
  const std::size_t name_end = line.rfind(") ");
  return name_end != std::string::npos && line.size() > name_end + 2 && line[name_end + 2] == 'Z';
}

std::string member_name(int rank, int process) {
  return "rank " + std::to_string(rank) + " (process " + std::to_string(process) + ")";
}

}  // namespace

Member::Member(std::unique_ptr<SharedBlock> block, const Rendezvous& rendezvous)
    : block_(std::move(block)),
      rank_(rendezvous.rank),
      size_(rendezvous.size),
      timeout_(rendezvous.timeout),
      spin_(spin_for(size_)),
      spin_now_(spin_),
      spare_cpus_(cpus() >= 2 * size_),
      contributions_(static_cast<std::size_t>(size_)),
      peers_(static_cast<std::size_t>(size_)) {
  RankPage& mine = block_->rank(rank_);
  mine.process.store(::getpid(), std::memory_order_relaxed);
  mine.presence.store(Presence::joined, std::memory_order_seq_cst);
}

Member::~Member() {
  auto expected = Presence::joined;
  block_->rank(rank_).presence.compare_exchange_strong(expected, Presence::left, std::memory_order_seq_cst);
  for (int peer = 0; peer < size_; ++peer) ring(peer);
}

void Member::meet(const Check& check) {
  current_.operation = Operation::join;
  for (int peer = 0; peer < size_; ++peer) ring(peer);
  const auto absent = [this](int peer) {
    return block_->rank(peer).presence.load(std::memory_order_seq_cst) == Presence::absent;
  };
  const auto all_here = [&] {
    for (int peer = 0; peer < size_; ++peer) {
      if (absent(peer)) return false;
    }
    return true;
  };
  wait(all_here, [&](int peer) {
    if (!absent(peer)) return false;
    const auto trouble = check();
    if (trouble && absent(peer)) throw *trouble;  // else all may be here, and one of them may have gone on
    return true;
  });
  for (int peer = 0; peer < size_; ++peer) {
    const int process = block_->rank(peer).process.load(std::memory_order_relaxed);
    if (process == ::getpid()) continue;
    peers_[static_cast<std::size_t>(peer)] = open_process(process);
  }
}

void Member::ring(int rank) noexcept {
  Bell& bell = block_->rank(rank).bell;
  if (bell.sleepers.load(std::memory_order_seq_cst) == 0) return;
  bell.rings.fetch_add(1, std::memory_order_seq_cst);
  net::futex_wake_all(bell.rings);
}

void Member::publish(const Announcement& announcement, const Payload& payload) noexcept {
  current_ = announcement;
  Slot& mine = slot(rank_, ++published_);
  mine.announcement = announcement;
  mine.bytes = static_cast<std::uint32_t>(payload.bytes);
  mine.stride = static_cast<std::uint32_t>(payload.stride);
  mine.reader = payload.reader;
  mine.cpu = net::this_cpu();
  mine.sequence.exchange(published_, std::memory_order_seq_cst);
  for (int peer = 0; peer < size_; ++peer) {
    if (peer != rank_) ring(peer);
  }
}

std::span<const Contribution> Member::await_step() {
  await_all(published_);
  seen_ = published_;
  Contribution* const all = contributions_.data();
  for (int peer = 0; peer < size_; ++peer) {
    const Slot& theirs = slot(peer, seen_);
    all[peer].announcement = &theirs.announcement;
    if (peer != rank_) all[peer].data = data_for_this_rank(theirs);
  }
  return {all, static_cast<std::size_t>(size_)};
}

// BLOCK-2
std::span<const std::byte> Member::data_for_this_rank(const Slot& slot) const noexcept {
  if (slot.reader != kEveryRank && slot.reader != rank_) return {};
  const std::size_t end = std::min<std::size_t>(slot.bytes, kSlotBytes);
  const std::size_t stride = slot.stride;
  if (stride == 0) return {slot.data, end};
  const std::size_t begin = std::min(stride * static_cast<std::size_t>(rank_), end);
  return {slot.data + begin, std::min(stride, end - begin)};
}

bool Member::shares_cpu() const noexcept {
  const std::uint32_t here = net::this_cpu();
  for (int peer = 0; peer < size_; ++peer) {
    // Its latest slot that this rank has seen published.
    if (peer != rank_ && block_->rank(peer).slots[seen_ % kSlots].cpu == here) return true;
  }
  return false;
}

void Member::await_all(std::uint64_t step) {
  int first = 0;  // all below have published
  const auto ready = [&] {
    while (first < size_ && published(first, step)) ++first;
    return first == size_;
  };
  wait(ready, [&](int peer) { return !published(peer, step); });
}

void Member::yield() noexcept { ::sched_yield(); }

void Member::pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

void Member::sleep_on(Bell& bell, std::uint32_t seen, Clock::time_point until) noexcept {
  (void)net::futex_wait(bell.rings, seen, until);
}

bool Member::has_ended(int peer) const {
  const Fd& fd = peers_[static_cast<std::size_t>(peer)];
  if (fd) {
    pollfd watched{fd.get(), POLLIN, 0};
    return ::poll(&watched, 1, 0) == 1;
  }
  const int process = block_->rank(peer).process.load(std::memory_order_relaxed);
  if (process <= 0 || process == ::getpid()) return false;
  return (::kill(process, 0) != 0 && errno == ESRCH) || is_zombie(process);
}

std::optional<Error> Member::trouble_with(int peer) {
  const RankPage& page = block_->rank(peer);
  const int process = page.process.load(std::memory_order_relaxed);
  switch (page.presence.load(std::memory_order_seq_cst)) {
    case Presence::gave_up: {
      const std::string reason(page.reason, ::strnlen(page.reason, kReasonBytes));
      if (peer == rank_) return Error(page.code, reason);
      return Error(page.code == ErrorCode::cancelled ? ErrorCode::cancelled : ErrorCode::unavailable,
                   member_name(peer, process) + " gave up: " + reason);
    }
    case Presence::left:
      return Error(ErrorCode::unavailable, member_name(peer, process) + " has left the group");
    case Presence::absent:
      return {};
    case Presence::joined:
    case Presence::giving_up:
      if (peer == rank_ || !has_ended(peer)) return {};
      return Error(ErrorCode::unavailable, member_name(peer, process) + " died");
  }
  return {};
}

void Member::set_begun(std::uint64_t count) noexcept {
  block_->rank(rank_).begun.store(count, std::memory_order_seq_cst);
}

std::optional<Error> Member::lost_before(std::uint64_t count) {
  for (int peer = 0; peer < size_; ++peer) {
    if (peer == rank_) continue;
    auto trouble = trouble_with(peer);  // before the count, which is final after it
    if (trouble && block_->rank(peer).begun.load(std::memory_order_seq_cst) < count) return trouble;
  }
  return {};
}

Error Member::late_error(const std::string& ranks) const {
  return Error(ErrorCode::deadline, (ranks.find(',') == std::string::npos ? "rank " : "ranks ") + ranks + " of " +
                                        std::to_string(size_) + " did not come within " +
                                        std::to_string(timeout_.count()) + " ms");
}

void Member::give_up(Error error) {
  error = error.with_context("collective group, rank " + std::to_string(rank_) + " in " + describe(current_));
  broken_ = error;
  abort(error.code(), error.message());
  throw error;
}

void Member::abort(ErrorCode code, std::string_view reason) noexcept {
  RankPage& mine = block_->rank(rank_);
  auto expected = Presence::joined;
  if (mine.presence.compare_exchange_strong(expected, Presence::giving_up, std::memory_order_seq_cst)) {
    mine.code = code;
    const std::size_t length = std::min(reason.size(), kReasonBytes);
    std::memcpy(mine.reason, reason.data(), length);
    if (length < kReasonBytes) mine.reason[length] = '\0';
    mine.presence.exchange(Presence::gave_up, std::memory_order_seq_cst);
  }
  aborted_.store(true, std::memory_order_relaxed);
  for (int peer = 0; peer < size_; ++peer) ring(peer);
}

void Member::throw_broken() const {
  if (broken_) throw *broken_;
  const RankPage& mine = block_->rank(rank_);
  const bool has_reason = mine.presence.load(std::memory_order_seq_cst) == Presence::gave_up;
  throw Error(has_reason ? mine.code : ErrorCode::cancelled,
              "collective group: " + (has_reason ? std::string(mine.reason, ::strnlen(mine.reason, kReasonBytes))
                                                 : std::string("aborted")));
}

}  // namespace manta::collective
