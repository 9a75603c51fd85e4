// TimeLimits by itself, and the Owner with tasks and calls that run longer than they may (OWN-15).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <utility>
#include <vector>

#include "tests/core/owner/recorded_owner.h"

namespace manta::owner {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Passed = TimeLimits::Passed;

// --- TimeLimits

struct Looks {
  TimeLimits limits{100ms};
  std::vector<Passed> operator()(std::vector<Entry*> running, std::chrono::nanoseconds now) {
    std::vector<Passed> passed;
    for (const TimeLimits::Due& due : limits.look(running, now)) passed.push_back(due.passed);
    return passed;
  }
};

void prepare(Entry& entry, std::uint64_t n, std::chrono::nanoseconds limit) {
  entry.id = object(n);
  entry.more().limit = limit;
}

TEST(TimeLimits, ARunCountsFromTheLookThatSeesItFirst) {
  Looks look;
  Entry first, second, unlimited;
  prepare(first, 1, 10ms);
  prepare(second, 2, 10ms);
  EXPECT_THAT(look({&first, &unlimited}, 1000ms), IsEmpty());
  EXPECT_THAT(look({&first}, 1009ms), IsEmpty());
  EXPECT_THAT(look({&second}, 2000ms), IsEmpty()) << "the first has ended";
  EXPECT_THAT(look({&second}, 2010ms), ElementsAre(Passed::limit));
}

TEST(TimeLimits, EachStageIsDueOnceAndNoneIsLeftOut) {
  Looks look;
  Entry entry;
  prepare(entry, 1, 10ms);
  look({&entry}, 0ms);
  EXPECT_THAT(look({&entry, &entry}, 10ms), ElementsAre(Passed::limit));
  EXPECT_THAT(look({&entry}, 109ms), IsEmpty());
  EXPECT_THAT(look({&entry}, 110ms), ElementsAre(Passed::grace));
  EXPECT_THAT(look({&entry}, 500ms), IsEmpty());
  Entry late;
  prepare(late, 2, 10ms);
  look({&late}, 0ms);
  EXPECT_THAT(look({&late}, 10s), ElementsAre(Passed::limit)) << "it is asked to end before it is ended";
  EXPECT_THAT(look({&late}, 10s + 1ms), ElementsAre(Passed::grace));
}

TEST(TimeLimits, EachAttemptHasTheWholeLimit) {
  Looks look;
  Entry entry;
  prepare(entry, 1, 10ms);
  look({&entry}, 0ms);
  ++entry.attempt;
  EXPECT_THAT(look({&entry}, 9ms), IsEmpty());
  EXPECT_THAT(look({&entry}, 18ms), IsEmpty());
  ++entry.position;  // begun once more, without an attempt
  EXPECT_THAT(look({&entry}, 19ms), IsEmpty());
  EXPECT_THAT(look({&entry}, 28ms), IsEmpty());
  EXPECT_THAT(look({&entry}, 29ms), ElementsAre(Passed::limit));
}

TEST(TimeLimits, AreCheckedWhereTheyEnter) {
  EXPECT_EQ(limit_of("TaskOptions::timeout", std::chrono::nanoseconds::max()), 0ns) << "none";
  EXPECT_EQ(limit_of("TaskOptions::timeout", 1ns), 1ns);
  for (const std::chrono::nanoseconds wrong :
       {std::chrono::nanoseconds(0), std::chrono::nanoseconds(-1s), std::chrono::nanoseconds::min()}) {
    try {
      limit_of("TaskOptions::timeout", wrong);
      FAIL() << wrong.count();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      EXPECT_THAT(error.message(), AllOf(HasSubstr("TaskOptions::timeout"), HasSubstr("more than 0")));
    }
  }
}

TEST(TimeLimits, AsText) {
  EXPECT_EQ(to_text(5s), "5 s");
  EXPECT_EQ(to_text(1500ms), "1.5 s");
  EXPECT_EQ(to_text(1h), "3600 s");
  EXPECT_EQ(to_text(200ms), "200 ms");
  EXPECT_EQ(to_text(250us), "0.25 ms");
}

// --- Owner

NewTask limited(const RecordedOwner& o, std::uint64_t n, std::chrono::nanoseconds limit = 10ms) {
  NewTask task = o.task(n);
  task.limit = limit;
  return task;
}
const OwnerConfig kConfig{.force_ticks = 5, .limit_grace = 20ms};

TEST(OwnerTimeLimit, IsAskedToEndThenItsWorkerEnds) {
  RecordedOwner o(kConfig);
  Entry* entry = o.submit(limited(o, 1));
  o.grant(1);
  o.start(1);
  o.tick(10);
  o.log();
  o.tick();
  EXPECT_THAT(o.log(), Contains("stop 1 in 101, with its children"));
  EXPECT_EQ(content(*entry), "open");
  o.tick(19);
  EXPECT_THAT(o.log(), Not(Contains(HasSubstr("stop"))));
  o.tick();
  EXPECT_THAT(o.log(), Contains("stop 1 in 101, with its children, by force"));
  o.tick(5);
  EXPECT_THAT(o.log(), Contains("kill worker of 1"));
  o.worker_died(1);
  EXPECT_EQ(content(*entry), "error deadline");
  EXPECT_THAT(entry->value.error().message(),
              AllOf(HasSubstr("(attempt 1 of 4) took longer than its time limit of 10 ms"), HasSubstr("was killed"),
                    HasSubstr("TaskOptions::timeout"), HasSubstr("gdb -p PID")));
  EXPECT_EQ(o.grant(2).unstarted().size(), 0U) << "it is not tried again";
  entry->watched = false;
  o.drop(entry);
  EXPECT_EQ(o.live(), 0U);
  EXPECT_THAT(o.unread, ElementsAre(HasSubstr("task"))) << "nothing has read it";
}

TEST(OwnerTimeLimit, CountsNeitherTheQueueNorTheArgumentsNorTheRing) {
  RecordedOwner o(kConfig);
  Entry* argument = o.submit(1);
  NewTask waits = limited(o, 2);
  waits.references = {argument};
  Entry* waiting = o.submit(std::move(waits));
  Entry* behind = o.submit(limited(o, 3));
  o.tick(50);
  o.grant(1);
  ASSERT_EQ(o.start(1), argument);
  o.tick(50);
  o.finish(argument);
  ASSERT_EQ(o.start(1), behind);
  o.tick(5);
  o.finish(behind);
  EXPECT_EQ(content(*behind), "value done");
  ASSERT_EQ(o.start(1), waiting);
  o.tick(5);
  o.finish(waiting);
  EXPECT_EQ(content(*waiting), "value done");
  EXPECT_THAT(o.log(), Not(Contains(HasSubstr("stop"))));
}

TEST(OwnerTimeLimit, WhatItReturnsTooLateIsDropped) {
  RecordedOwner o(kConfig);
  Entry* entry = o.submit(limited(o, 1));
  o.grant(1);
  o.start(1);
  o.tick(12);
  o.log();
  Outcome outcome;
  outcome.value = Value::at({ClientId{101}, 64, 100'000}, false);
  outcome.contained.push_back({object(8), ClientId{5}});
  o.finish(entry, std::move(outcome));
  EXPECT_EQ(content(*entry), "error deadline");
  EXPECT_THAT(o.log(), AllOf(Contains("free 64"), Contains("to 5: gives back 8, 1 times")));
  EXPECT_THAT(entry->value.error().message(), HasSubstr("returned a value too late"));
}

TEST(OwnerTimeLimit, IsNotTriedAgainWhateverItThrows) {
  RecordedOwner o(kConfig);
  NewTask task = limited(o, 1);
  task.retry_exceptions = true;
  Entry* entry = o.submit(std::move(task));
  o.grant(1);
  o.start(1);
  o.tick(12);
  o.finish(entry, throws());
  EXPECT_EQ(content(*entry), "error deadline");
  EXPECT_THAT(entry->value.error().message(), HasSubstr("ended with: "));
}

TEST(OwnerTimeLimit, AnAttemptAfterADeathHasTheWholeTime) {
  RecordedOwner o(kConfig);
  Entry* entry = o.submit(limited(o, 1));
  o.grant(1);
  o.start(1);
  o.tick(8);
  o.worker_died(1);
  o.grant(2);
  ASSERT_EQ(o.start(2), entry);
  o.log();
  o.tick(10);
  EXPECT_THAT(o.log(), Not(Contains(HasSubstr("stop"))));
  o.tick();
  EXPECT_THAT(o.log(), Contains("stop 1 in 102, with its children"));
  o.finish(entry, throws());
  EXPECT_THAT(entry->value.error().message(), HasSubstr("attempt 2 of 4"));
}

TEST(OwnerTimeLimit, WhatWasCancelledBeforeStaysCancelledAndEndsNevertheless) {
  RecordedOwner o(kConfig);
  Entry* entry = o.submit(limited(o, 1));
  o.grant(1);
  o.start(1);
  o.tick(2);
  ASSERT_TRUE(o.call([&] { return o.owner().cancelling().cancel(*entry, {false, false, "the test"}); }));
  o.log();
  o.tick(32);
  EXPECT_THAT(o.log(), Contains("stop 1 in 101, by force"));
  o.worker_died(1);
  EXPECT_EQ(content(*entry), "error cancelled");
}

TEST(OwnerTimeLimit, ACallIsLeftBehindAndItsActorLives) {
  RecordedOwner o(kConfig);
  Entry* handle = o.create(1);
  FakeRing& ring = o.grant_actor(1);
  o.finish(o.start(1));
  Entry* argument = o.put(9);
  NewTask task = limited(o, 2);
  task.references = {argument};
  task.ref_mask = 1;
  Entry* call = o.call_method(handle, std::move(task));
  Entry* behind = o.call_method(handle, limited(o, 3));
  ASSERT_EQ(o.start(1), call);
  o.tick(11);
  EXPECT_THAT(o.log(), Contains("stop 2 in 101, with its children"));
  EXPECT_EQ(content(*call), "open");
  o.tick(20);
  EXPECT_EQ(content(*call), "error deadline");
  EXPECT_THAT(call->value.error().message(), AllOf(HasSubstr("call of "), HasSubstr("(attempt 1)"),
                                                   HasSubstr("the method goes on"), HasSubstr("CallOptions::timeout")));
  EXPECT_THAT(ring.started(), ElementsAre(2)) << "its worker was not ended";
  o.drop(call);
  o.drop(argument);
  o.log();
  o.tick(30);
  EXPECT_THAT(o.log(), Not(Contains(HasSubstr("stop")))) << "and the one behind has not begun";

  std::vector<Entry*> rest;
  ring.running(rest);
  ASSERT_EQ(rest.size(), 1U);
  Outcome late;
  late.value = Value::at({ClientId{101}, 64, 100'000}, false);
  late.contained.push_back({object(8), ClientId{5}});
  o.finish(rest[0], std::move(late));
  EXPECT_THAT(o.log(), AllOf(Contains("free 64"), Contains("to 5: gives back 8, 1 times")));
  o.finish(o.start(1));
  EXPECT_EQ(content(*behind), "value done");
  o.drop(behind);
  o.drop(handle);
  EXPECT_EQ(o.live(), 0U);
}

TEST(OwnerTimeLimit, TheActorOfACallThatIsLeftBehindDies) {
  RecordedOwner o(kConfig);
  Entry* handle = o.create(1, {.max_restarts = 1, .max_task_retries = -1});
  o.grant_actor(1);
  o.finish(o.start(1));
  Entry* call = o.call_method(handle, limited(o, 2));
  Entry* behind = o.call_method(handle, 3);
  o.start(1);
  o.tick(40);
  EXPECT_EQ(content(*call), "error deadline");
  o.worker_died(1);
  o.grant_actor(2);
  o.finish(o.start(2));
  ASSERT_EQ(o.start(2), behind) << "the other is not repeated";
  o.finish(behind);
  for (Entry* each : {call, behind, handle}) o.drop(each);
  EXPECT_EQ(o.live(), 0U);
}

}  // namespace
}  // namespace manta::owner
