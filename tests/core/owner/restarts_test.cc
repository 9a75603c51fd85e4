// When an actor starts again, and what its callers get when it does not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <manta/detail/restart_backoff.h>

#include "tests/core/owner/recorded_owner.h"

namespace manta::owner {
namespace {

using detail::RestartBackoff;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

TEST(RestartBackoff, AConstructorThatAlwaysAbortsStartsTwelveTimesInTwentySeconds) {
  RestartBackoff backoff;
  int starts = 0;
  for (RestartBackoff::Time now = 5s; now < 25s; now += backoff.ended(now)) ++starts;
  EXPECT_EQ(starts, 12);
}

TEST(RestartBackoff, WaitsFromTenMillisecondsToTenSeconds) {
  RestartBackoff backoff;
  EXPECT_EQ(backoff.ended(0s), 0s);
  for (RestartBackoff::Time expected = 10ms; expected < 10s; expected *= 2) EXPECT_EQ(backoff.ended(0s), expected);
  EXPECT_EQ(backoff.ended(0s), 10s);
  EXPECT_EQ(backoff.ended(0s), 10s);
}

TEST(RestartBackoff, TwoDeathsInTenSecondsAreFollowedAtOnceTheThirdIsNot) {
  RestartBackoff backoff;
  for (const auto now : {0s, 4s}) {
    backoff.up(now);
    EXPECT_EQ(backoff.ended(now), 0s);
  }
  backoff.up(9s);
  EXPECT_EQ(backoff.ended(9s), 10ms);
  backoff.up(18s);
  EXPECT_EQ(backoff.ended(18s), 20ms) << "no life has been up for ten seconds";
  backoff.up(19s);
  EXPECT_EQ(backoff.ended(29s), 0s) << "this one has";
}

TEST(RestartBackoff, ALifeOfFiveSecondsIsFollowedAtOnce) {
  RestartBackoff backoff;
  for (RestartBackoff::Time now = 0s; now < 60s; now += 5s) {
    backoff.up(now);
    EXPECT_EQ(backoff.ended(now + 5s), 0s);
  }
}

TEST(OwnerRestarts, AConstructorThatAbortsWaitsWithoutDemand) {
  RecordedOwner o;
  Entry* handle = o.create(1, {.max_restarts = 3});
  const Entry* call = o.call_method(handle, 2);
  o.grant_actor(1);
  o.start(1);
  o.log();
  o.worker_died(1);
  EXPECT_THAT(o.log(), ElementsAre("restart 1 of a constructor in 0 ms", "demand 1 for actor 0"));
  o.grant_actor(2);
  o.start(2);
  o.worker_died(2);
  EXPECT_THAT(o.log(), ElementsAre("restart 2 of a constructor in 10 ms"));
  EXPECT_TRUE(o.owner().busy()) << "it waits for its time";
  o.grant_actor(3);
  EXPECT_THAT(o.log(), ElementsAre("return 3")) << "granted although none is demanded";
  o.tick(9);
  EXPECT_THAT(o.log(), IsEmpty());
  o.tick();
  EXPECT_THAT(o.log(), ElementsAre("demand 1 for actor 0"));
  EXPECT_EQ(content(*call), "open");
  o.grant_actor(4);
  o.finish(o.start(4));
  EXPECT_EQ(o.start(4), call);
}

TEST(OwnerRestarts, UsedUpRestartsAreReportedWithTheLastCause) {
  RecordedOwner o;
  Entry* handle = o.create(1, {.max_restarts = 1});
  const Entry* call = o.call_method(handle, 2);
  for (const std::uint64_t lease : {1, 2}) {
    o.grant_actor(lease);
    o.start(lease);
    o.worker_died(lease);
  }
  ASSERT_EQ(content(*call), "error actor_died");
  EXPECT_THAT(call->value.error().what(),
              HasSubstr("its process was killed while its constructor ran; its restarts are used up, "
                        "ActorOptions::max_restarts is 1"));
}

TEST(OwnerRestarts, AnActorThatIsDroppedOrKilledWhileItWaitsWantsNothing) {
  for (const bool drop : {false, true}) {
    RecordedOwner o;
    Entry* handle = o.create(1, {.max_restarts = -1});
    for (const std::uint64_t lease : {1, 2}) {
      o.grant_actor(lease);
      o.start(lease);
      o.worker_died(lease);
    }
    o.log();
    if (drop) {
      o.drop(handle);
    } else {
      o.call([&] { o.owner().actors().kill(*handle, false); });
    }
    EXPECT_FALSE(o.owner().busy());
    o.tick(20);
    EXPECT_THAT(o.log(), IsEmpty());
  }
}

}  // namespace
}  // namespace manta::owner
