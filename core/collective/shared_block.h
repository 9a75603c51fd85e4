// The memory that a group's members share, and its layout.
//
//   BLOCK-1  every word has one writer, its rank, but the bells
//   BLOCK-2  what a rank finds in another's part is bounded before it is used as a size or an index
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include <manta/collective.h>

#include "core/base/fd.h"
#include "core/collective/announcement.h"

namespace manta::collective {

inline constexpr int kSlots = 4;                       // see SLOT-1 in member.h
inline constexpr std::size_t kSlotBytes = 256 * 1024;  // measured, see README.md here
inline constexpr int kFragments = 4;
inline constexpr std::size_t kFragmentBytes = 32 * 1024;
inline constexpr std::size_t kReasonBytes = 240;

struct Slot {
  alignas(64) std::atomic<std::uint64_t> sequence;  // the step whose data and announcement are here
  Announcement announcement;
  std::uint32_t cpu;    // where its rank ran
  std::uint32_t bytes;  // this and the next two: a Payload
  std::uint32_t stride;
  std::int32_t reader;
  alignas(64) std::byte data[kSlotBytes];
};

// Wakes a rank that sleeps; costs its peers one load while it does not.
struct Bell {
  std::atomic<std::uint32_t> sleepers;
  std::atomic<std::uint32_t> rings;  // futex word
};

enum class Presence : std::uint32_t { absent, joined, left, giving_up, gave_up };

struct RankPage {
  alignas(64) Bell bell;
  alignas(64) std::atomic<Presence> presence;
  std::atomic<std::int32_t> process;
  std::atomic<std::uint64_t> begun;  // collectives of another transport, see Member::set_begun
  ErrorCode code;                    // this and the text below: why, once it gave up
  char reason[kReasonBytes];
  Slot slots[kSlots];
};

// From one rank to another.
struct Channel {
  struct Fragment {
    std::uint64_t message_bytes;  // of the whole message
    std::int32_t tag;
    std::uint32_t bytes;  // of this fragment
    alignas(64) std::byte data[kFragmentBytes];
  };
  alignas(64) std::atomic<std::uint64_t> pushed;  // the sender's
  alignas(64) std::atomic<std::uint64_t> taken;   // the receiver's
  Fragment fragments[kFragments];
};

// Ownership: owns the mapping.
class SharedBlock {
 public:
  // The memory of a new group, or of a group whose memory fd is. Throws Error.
  static Fd create(int size);
  SharedBlock(int fd, int size);
  ~SharedBlock();
  SharedBlock(const SharedBlock&) = delete;
  SharedBlock& operator=(const SharedBlock&) = delete;

  static std::size_t bytes_for(int size);
  RankPage& rank(int rank) { return ranks_[rank]; }
  Channel& channel(int from, int to) { return channels_[from * size_ + to]; }

 private:
  int size_;
  std::byte* base_;
  RankPage* ranks_;
  Channel* channels_;
};

}  // namespace manta::collective
