// Two threads at random on one ring: the model is that every task is taken back or finished, once, in order. Also what
// ThreadSanitizer looks at.
#include <gtest/gtest.h>

#include <thread>

#include "tests/core/net/ring_players.h"

namespace manta::net {
namespace {

#ifdef __SANITIZE_THREAD__
constexpr std::uint64_t kSlower = 2;
#else
constexpr std::uint64_t kSlower = 1;
#endif

void play(Play play) {
  play.seed = test_seed();
  SCOPED_TRACE("MANTA_TEST_SEED=" + std::to_string(play.seed));
  SharedRing ring;
  SubmittingPlayer submitter(ring, play);
  WorkingPlayer worker(ring, play);
  std::thread thread([&] { worker.run(); });
  submitter.run();
  thread.join();
  EXPECT_EQ(submitter.trouble(), "");
  EXPECT_EQ(worker.trouble(), "");
  EXPECT_EQ(submitter.finished() + submitter.taken(), play.records);
  EXPECT_EQ(worker.served(), submitter.finished());
  EXPECT_EQ(play.take_back > 0, submitter.taken() > 0);
}

TEST(TaskRingModel, Ring1Ring2ManyInFlight) { play({.records = 2'000'000 / kSlower, .spin = 1000}); }

TEST(TaskRingModel, Ring2MostAreTakenBack) {
  play({.records = 1'000'000 / kSlower, .most_in_flight = 64, .spin = 100, .take_back = 0.9});
}

TEST(TaskRingModel, Ring2AFullRingOfTakenRecords) {
  play({.records = 500'000 / kSlower, .spin = 0, .take_back = 1, .notify = 0.01});
}

// Lost wake-ups show where both sides sleep often and for short.
TEST(TaskRingModel, Ring4Bell1PingPongAsleep) {
  play({.records = 100'000 / kSlower, .most_in_flight = 1, .spin = 0, .take_back = 0, .notify = 1});
}

TEST(TaskRingModel, Ring4Bell1PingPongHalfAsleep) {
  play({.records = 200'000 / kSlower, .most_in_flight = 2, .spin = 60, .take_back = 0.02, .notify = 0.5});
}

TEST(TaskRingModel, Ring4Bell1OneNotifiesRarely) {
  play({.records = 500'000 / kSlower, .most_in_flight = 20, .spin = 30, .take_back = 0.02, .notify = 0.02});
}

}  // namespace
}  // namespace manta::net
