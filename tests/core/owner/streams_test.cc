// Owner: streams that it reads (STREAM-1 to STREAM-4).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/owner/stream_items.h"
#include "tests/core/owner/recorded_owner.h"

namespace manta::owner {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Taken = Streams::Taken;

constexpr ClientId kWorker{101};

Entry* generator(RecordedOwner& o, std::uint64_t n, std::uint32_t buffer, std::int16_t max_retries = 3) {
  NewTask task = o.task(n, max_retries);
  task.stream_buffer = buffer;
  return o.submit(std::move(task));
}

StreamItems items(std::uint64_t stream, std::uint16_t attempt, std::uint64_t first,
                  const std::vector<std::string_view>& values) {
  StreamItems items{object(stream), attempt, first, {}, {}};
  for (const std::string_view value : values) {
    const auto room = append_item(items.small, value.size(), false);
    std::memcpy(room.data(), value.data(), value.size());
  }
  return items;
}

Outcome made(std::uint64_t count) {
  Outcome outcome = returns("");
  outcome.items = count;
  return outcome;
}

// All that can be taken now, and then "open", "ended" or "failed".
std::vector<std::string> take_all(RecordedOwner& o, Entry* stream) {
  std::vector<std::string> all;
  for (;;) {
    IncomingStream::Item item;
    const Taken taken = o.call([&] { return o.owner().streams().take_item(*stream, item); });
    if (taken == Taken::open) return all.push_back("open"), all;
    if (taken == Taken::ended) return all.push_back(stream->value.failed() ? "failed" : "ended"), all;
    if (item.entry != nullptr) {
      all.push_back(content(*item.entry));
      o.drop(item.entry);
    } else {
      const auto bytes = item.value.bytes();
      all.emplace_back(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
  }
}

void drop_stream(RecordedOwner& o, Entry* stream) {
  o.call([&] { o.owner().streams().drop(*stream); });
  o.drop(stream);
}

TEST(OwnerStreams, ItemsComeInOrderAndThenTheEnd) {
  RecordedOwner o;
  Entry* stream = generator(o, 1, 0);
  o.grant(1);
  o.start(1);
  EXPECT_THAT(take_all(o, stream), ElementsAre("open"));
  o.receive(kWorker, items(1, 0, 0, {"a", "b"}));
  o.receive(kWorker, items(1, 0, 2, {"c"}));
  EXPECT_THAT(take_all(o, stream), ElementsAre("a", "b", "c", "open"));
  o.finish(stream, made(4));
  EXPECT_THAT(take_all(o, stream), ElementsAre("open")) << "the fourth is on its way (STREAM-3)";
  o.receive(kWorker, items(1, 0, 3, {"d"}));
  EXPECT_THAT(take_all(o, stream), ElementsAre("d", "ended"));
  EXPECT_THAT(take_all(o, stream), ElementsAre("ended"));
  drop_stream(o, stream);
  EXPECT_EQ(o.live(), 0U);
}

TEST(OwnerStreams, CreditFollowsWhatWasTaken) {
  RecordedOwner o;
  Entry* stream = generator(o, 1, 4);
  o.grant(1);
  o.start(1);
  o.receive(kWorker, items(1, 0, 0, {"a", "b", "c", "d"}));
  o.log();
  IncomingStream::Item item;
  (void)o.call([&] { return o.owner().streams().take_item(*stream, item); });
  EXPECT_THAT(o.log(), IsEmpty()) << "too little to be worth a message";
  EXPECT_THAT(take_all(o, stream), ElementsAre("b", "c", "d", "open"));
  EXPECT_THAT(o.log(), ElementsAre("to 101: 1 may go to 6", "to 101: 1 may go to 8"));
  o.finish(stream, made(4));
  drop_stream(o, stream);
}

TEST(OwnerStreams, WhatARepeatedAttemptMakesAgainIsDropped) {
  RecordedOwner o;
  Entry* stream = generator(o, 1, 4);
  o.grant(1);
  o.start(1);
  o.receive(kWorker, items(1, 0, 0, {"a", "b"}));
  EXPECT_THAT(take_all(o, stream), ElementsAre("a", "b", "open"));
  o.worker_died(1);
  o.grant(2);
  o.start(2);
  o.log();
  constexpr ClientId kNext{102};
  o.receive(kNext, items(1, 1, 0, {"a"}));
  EXPECT_THAT(o.log(), Contains("to 102: 1 may go to 6")) << "it knows of its first four only";
  o.receive(kWorker, items(1, 0, 2, {"late"}));  // it is dead
  o.receive(kNext, items(1, 1, 1, {"b", "c"}));
  EXPECT_THAT(take_all(o, stream), ElementsAre("c", "open"));
  o.finish(stream, made(3));
  EXPECT_THAT(take_all(o, stream), ElementsAre("ended"));
  drop_stream(o, stream);
  EXPECT_EQ(o.live(), 0U);
}

TEST(OwnerStreams, AnErrorComesAfterTheItems) {
  RecordedOwner o;
  Entry* stream = generator(o, 1, 4, 0);
  o.grant(1);
  o.start(1);
  o.receive(kWorker, items(1, 0, 0, {"a"}));
  o.finish(stream, throws());
  EXPECT_THAT(take_all(o, stream), ElementsAre("a", "failed"));
  drop_stream(o, stream);
}

TEST(OwnerStreams, AProducerWithoutAReaderIsStopped) {
  RecordedOwner o;
  Entry* stream = generator(o, 1, 0);
  o.grant(1);
  o.start(1);
  StreamItems first = items(1, 0, 0, {"a"});
  first.objects.push_back({Value::at({kWorker, 64, 1 << 20}, false), {{object(7), kWorker}}});
  o.receive(kWorker, std::move(first));
  o.log();
  o.call([&] { o.owner().streams().drop(*stream); });
  EXPECT_THAT(o.log(), AllOf(Contains("to 101: stop 1"), Contains("to 101: gives back 7, 1 times")));
  StreamItems more = items(1, 0, 2, {"b"});
  more.objects.push_back({text("object"), {{object(8), kWorker}}});
  o.receive(kWorker, std::move(more));
  EXPECT_THAT(o.log(), AllOf(Contains("to 101: stop 1"), Contains("to 101: gives back 8, 1 times"))) << "STREAM-4";
  o.finish(stream, made(4));
  o.drop(stream);
  EXPECT_EQ(o.live(), 0U);
  o.log();
  o.receive(kWorker, items(1, 0, 5, {"c"}));  // of one that is forgotten
  EXPECT_THAT(o.log(), ElementsAre("to 101: stop 1"));
}

TEST(OwnerStreams, OneWithoutAReaderIsNotBegun) {
  RecordedOwner o;
  Entry* stream = generator(o, 1, 0);
  drop_stream(o, stream);
  EXPECT_THAT(o.grant(1).unstarted(), IsEmpty());
  EXPECT_EQ(o.live(), 0U);
}

TEST(OwnerStreams, ACancelledOneGivesWhatHasArrived) {
  RecordedOwner o;
  Entry* stream = generator(o, 1, 0);
  o.grant(1);
  o.start(1);
  o.receive(kWorker, items(1, 0, 0, {"a"}));
  EXPECT_TRUE(o.call([&] { return o.owner().cancelling().cancel(*stream, {false, true, "the test"}); }));
  EXPECT_THAT(o.log(), Contains("stop 1 in 101, with its children"));
  o.finish(stream, throws());
  EXPECT_THAT(take_all(o, stream), ElementsAre("a", "failed"));
  EXPECT_EQ(stream->value.error().code(), ErrorCode::cancelled);
  drop_stream(o, stream);
}

// OWN-15: its method goes on, and gets a message that the stream is not read any more.
TEST(OwnerStreams, ACallOverItsTimeLimitEndsAfterWhatHasArrived) {
  RecordedOwner o({.limit_grace = std::chrono::milliseconds(20)});
  Entry* handle = o.create(1);
  o.grant_actor(1);
  o.finish(o.start(1));
  NewTask task = o.task(2);
  task.stream_buffer = 4;
  task.limit = std::chrono::milliseconds(10);
  Entry* stream = o.call_method(handle, std::move(task));
  o.start(1);
  o.receive(kWorker, items(2, 0, 0, {"zero"}));
  o.tick(40);
  EXPECT_THAT(o.log(), Contains("to 101: stop 2"));
  o.receive(kWorker, items(2, 0, 1, {"one"}));
  EXPECT_THAT(take_all(o, stream), ElementsAre("zero", "failed"));
  EXPECT_EQ(content(*stream), "error deadline");
}

}  // namespace
}  // namespace manta::owner
