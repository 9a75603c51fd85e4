#include "core/net/spin.h"

#include <algorithm>

namespace manta::net {
namespace {

using std::chrono::milliseconds;

// kYields rounds of 2 us in so long: the pair does nothing else, it does not only meet on this CPU now and then.
constexpr milliseconds kNothingElse{1};
constexpr milliseconds kDisturbedFor{400};
// A move costs 50 us, and up to 4 ms until the other program is preempted.
constexpr milliseconds kBetweenMoves{4};
constexpr milliseconds kMostBetweenMoves{32};
constexpr int kHelped = 8;  // the pair was apart for so many times the pause between moves

}  // namespace

void Spin::begin(Clock::time_point now, Clock::duration shortest) noexcept {
  if (waited_ > shortest_) {
    credit_ = std::max(credit_ - waited_, Clock::duration{});
  } else {
    credit_ = std::min<Clock::duration>(credit_ + 2 * std::min(now - begun_, shortest), kLongest);
  }
  disturbed_ = now < disturbed_until_;
  begun_ = now;
  shortest_ = shortest;
  waited_ = {};
  limit_ = disturbed_ && shortest.count() != 0 ? std::max(shortest, credit_) : shortest;
}

void Spin::gave_way_often(Clock::time_point now) noexcept {
  if (now - gave_way_often_ < kNothingElse) disturbed_until_ = now + kDisturbedFor;
  gave_way_often_ = now;
  if (moves_ && now < disturbed_until_ && now >= next_move_) move_away(now);
}

void Spin::move_away(Clock::time_point now) noexcept {
  between_moves_ = now - next_move_ > kHelped * between_moves_
                       ? kBetweenMoves
                       : std::min<Clock::duration>(2 * between_moves_, kMostBetweenMoves);
  next_move_ = now + between_moves_;
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  cpu_set_t others = allowed;
  CPU_CLR(this_cpu(), &others);
  if (CPU_COUNT(&others) == 0 || ::sched_setaffinity(0, sizeof others, &others) != 0) return;
  ::sched_setaffinity(0, sizeof allowed, &allowed);
}

}  // namespace manta::net
