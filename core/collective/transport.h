// What a member of a group does with the others, below the operations: steps, messages, and the group's end.
//
// A step: every rank puts data and an announcement into a space of its own, publishes them, waits until all ranks have
// published the step, and reads what the others' data holds for it. Data of a step is a view: of memory that the ranks
// share, or of a buffer in which a transport received it.
//
//     std::span<std::byte> space = transport.next_space();
//     std::memcpy(space.data(), mine.data(), mine.size());
//     transport.publish(announcement, {.bytes = mine.size()});
//     for (const Contribution& one : transport.await_step()) use(one.data);
//
//   STEP-1  all ranks make the same steps: what decides their number is compared in an operation's first step
//   STEP-2  publish() and await_step() alternate, and a view is valid until the next await_step(). So a rank may
//           publish a step before it reads the data of the one before: no rank waits twice
//
// Messages are matched by pair and tag; see Transfer.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include <manta/collective.h>
#include <manta/error.h>

#include "core/collective/announcement.h"

namespace manta::collective {

inline constexpr int kMaxRanks = 128;
inline constexpr int kEveryRank = -1;

// What of a rank's space goes to which ranks in a step. Nothing behind the first `bytes` is read.
struct Payload {
  std::size_t bytes = 0;
  std::size_t stride = 0;   // 0: each reader gets all the bytes; else rank r gets those from r * stride, up to stride
  int reader = kEveryRank;  // or the only rank that gets any
};

// What a rank has published in a step.
struct Contribution {
  const Announcement* announcement = nullptr;
  std::span<const std::byte> data;  // what its Payload gives this rank; of this rank itself: empty
};

// A message that this rank sends or receives. The caller sets out or in, peer, tag and sends, and keeps the transfer
// and its memory until it is complete or the transport failed.
struct Transfer {
  std::span<const std::byte> out;  // if it sends
  std::span<std::byte> in;         // else
  int peer = 0;
  int tag = 0;
  bool sends = false;
  bool complete = false;
  std::optional<Error> error;  // once complete: a message of another size came
  std::size_t done_bytes = 0;  // the transport's
};

// A member's connection to the other members of one group.
//
// Errors (manta::Error): a call that blocks throws unavailable if a rank that it waits for died, left or gave up,
// deadline after timeout(), cancelled after an abort(). The message names the ranks. From then on the transport is of
// no use: next_space(), start() and require_usable() throw the same error, and waits of the other ranks end, too.
//
// Threading: one thread at a time; wake(), set_begun(), lost_before() and abort() from any, at any time.
// Ownership: the group owns its transport. The destructor leaves the group, and does not block.
class Transport {
 public:
  virtual ~Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  int rank() const noexcept { return rank_; }
  int size() const noexcept { return size_; }
  // Size of a step's space: the same in all ranks, a multiple of 64, and at least 64 for each rank.
  std::size_t step_bytes() const noexcept { return step_bytes_; }

  // The longest wait for others.
  virtual std::chrono::milliseconds timeout() const noexcept = 0;
  virtual void set_timeout(std::chrono::milliseconds timeout) noexcept = 0;

  // Throws what ended the group, if anything did. Does not block.
  virtual void require_usable() const = 0;

  // Where this rank puts its data of its next step: step_bytes() of undefined content. Never blocks. Throws as
  // require_usable().
  virtual std::span<std::byte> next_space() = 0;
  // Gives the space and the announcement to the others. Never blocks.
  virtual void publish(const Announcement& announcement, const Payload& payload) = 0;
  // Blocks until all ranks have published the step that this rank published last. Returns a contribution for each rank,
  // valid until the next call. Neither compares the announcements nor checks sizes: a rank may have called something
  // else.
  virtual std::span<const Contribution> await_step() = 0;

  // Begins a transfer. Messages of a pair with the same tag arrive in the order in which they were started. May
  // complete it, never blocks. Throws invalid_argument for a peer that is this rank or none; as require_usable().
  virtual void start(Transfer& transfer) = 0;
  // Blocks until the transfer is complete; throws its error. All started transfers move meanwhile, and messages arrive
  // before they are asked for, so ranks may all send first.
  virtual void finish(Transfer& transfer) = 0;
  // Blocks until a message moved in either direction, or `woken` is true. Another thread sets that, then calls wake().
  virtual void await_transfers(const std::atomic<bool>& woken) = 0;
  virtual void wake() noexcept = 0;

  // Whether this rank's waits may keep a CPU busy for a while. Not patient: a thread beside one that calculates.
  virtual void set_patient(bool patient) noexcept = 0;

  // Each rank counts the collectives that it begins by other means (NCCL), and others see how far it got.
  virtual void set_begun(std::uint64_t count) noexcept = 0;
  // Why a rank that has begun fewer than `count` will not begin that many: it died, left or gave up. Empty: all may
  // still begin them. Never blocks.
  virtual std::optional<Error> lost_before(std::uint64_t count) = 0;

  // Ends this rank's and the others' waits, now and later, with cancelled and this reason.
  virtual void abort(std::string_view reason) noexcept = 0;

  // Connects these ranks of this group as a group of their own, in this order. This rank is one of them. All of them
  // call it, after the same step. Blocks until all have come; throws unavailable if one of them died or left, else as
  // Group::join. Neither transport depends on the other afterwards. The new one has this one's timeout.
  virtual std::unique_ptr<Transport> split(std::span<const int> ranks) = 0;

 protected:
  Transport(int rank, int size, std::size_t step_bytes) : rank_(rank), size_(size), step_bytes_(step_bytes) {}

 private:
  const int rank_;
  const int size_;
  const std::size_t step_bytes_;
};

}  // namespace manta::collective
