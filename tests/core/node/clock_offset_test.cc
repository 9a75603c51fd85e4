// The clocks of two hosts, compared by messages that take their time.
#include <gtest/gtest.h>

#include <random>

#include "core/node/clock_offset.h"

namespace manta::node {
namespace {

using namespace std::chrono_literals;
using Time = ClockOffset::Time;

TEST(ClockOffset, IsZeroBeforeTheFirstAnswer) { EXPECT_EQ(ClockOffset().offset(), 0ns); }

TEST(ClockOffset, IsRightToHalfOfTheShortestRoundTrip) {
  std::mt19937 random(1);
  for (int history = 0; history < 1000; ++history) {
    const Time ahead{static_cast<std::int64_t>(random()) * 1'000'000 - 2'000'000'000'000'000};
    ClockOffset offset;
    Time now{static_cast<std::int64_t>(random())}, shortest = Time::max();
    for (int i = 0; i < 8; ++i) {
      const Time there{50'000 + random() % 1'000'000}, back{50'000 + random() % 1'000'000};
      offset.sample(now, now + there + ahead, now + there + back);
      shortest = std::min(shortest, there + back);
      EXPECT_LE(std::chrono::abs(offset.offset() - ahead), shortest / 2 + 1ns);
      now += 1ms;
    }
  }
}

TEST(ClockOffset, OldSamplesAreForgotten) {
  ClockOffset offset;
  offset.sample(0ns, 10ns, 0ns);
  for (int i = 1; i <= 8; ++i) offset.sample(Time(i * 1'000), Time(i * 1'000 + 1'050), Time(i * 1'000 + 100));
  EXPECT_EQ(offset.offset(), 1'000ns) << "the clocks drift";
}

TEST(ClockOffset, AnAnswerBeforeItsQuestionIsLeftOut) {
  ClockOffset offset;
  offset.sample(100ns, 500ns, 50ns);
  EXPECT_EQ(offset.offset(), 0ns);
}

}  // namespace
}  // namespace manta::node
