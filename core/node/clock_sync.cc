#include "core/node/clock_sync.h"

namespace manta::node {

std::int64_t clock_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void ClockSync::ask() {
  asked_ns_ = clock_ns();
  ask_(link::AskClock{asked_ns_});
}

void ClockSync::answered(const link::ClockIs& answer) {
  if (answer.asked_ns != asked_ns_ || answer.clock_ns < 0) return;  // no answer to this node's question
  using Time = ClockOffset::Time;
  offset_.sample(Time(answer.asked_ns), Time(answer.clock_ns), Time(clock_ns()));
  offset_ns_.store(offset_.offset().count(), std::memory_order_relaxed);
  if (++answers_ < kAtFirst) return ask();
  timer_.expires_after(kEvery);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) ask();
  });
}

}  // namespace manta::node
