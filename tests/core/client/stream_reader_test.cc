#include "core/client/stream_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/owner/stream_items.h"
#include "tests/core/client/fake_process.h"

namespace manta::client {
namespace {

using detail::StreamStep;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
constexpr detail::Deadline kNever = detail::Deadline::max();

class StreamTest : public FakeProcess {
 protected:
  StreamTest() : reader_(state, results, waits) {}
  ~StreamTest() override {
    locked([&] { state.owner->fail_all(Error(ErrorCode::unavailable, "the end")); });
  }

  owner::Entry* stream(std::uint64_t n, std::uint32_t buffer = 4) {
    owner::NewTask made = task(n);
    made.stream_buffer = buffer;
    made.max_retries = 0;
    return submit(std::move(made));
  }
  void yield(owner::Entry& entry, std::uint64_t first, const std::vector<std::string>& items) {
    owner::StreamItems message{entry.id, 0, first, {}, {}};
    for (const std::string& item : items) {
      const std::span<std::byte> to = owner::append_item(message.small, item.size(), false);
      std::memcpy(to.data(), item.data(), item.size());
    }
    locked([&] { state.owner->streams().receive(kWorker, message); });
  }
  void end(owner::Entry& entry, owner::Outcome outcome, std::uint64_t items) {
    outcome.items = items;
    finish(entry, std::move(outcome));
  }
  // What there is until the stream is open or ended: the items, then "open" or "ended".
  std::vector<std::string> read(owner::Entry& entry) {
    std::vector<std::string> all;
    for (;;) {
      owner::IncomingStream::Item item;
      const StreamStep step = reader_.take_item(entry, item, false, kNever);
      if (step != StreamStep::item) {
        all.emplace_back(step == StreamStep::open ? "open" : "ended");
        return all;
      }
      all.push_back(text_of(item.value.bytes()));
    }
  }
  std::vector<std::uint64_t> credits() {
    std::vector<std::uint64_t> limits;
    for (const auto& [to, message] : effects.sent) {
      if (const auto* credit = std::get_if<owner::StreamCredit>(&message)) limits.push_back(credit->limit);
    }
    return limits;
  }

  StreamReader reader_;
};

TEST_F(StreamTest, ItemsComeInOrderAndThenTheEnd) {
  owner::Entry* entry = stream(1);
  yield(*entry, 0, {"a", "b"});
  yield(*entry, 1, {"twice", "c"});
  EXPECT_THAT(read(*entry), ElementsAre("a", "b", "c", "open"));
  end(*entry, returns(""), 4);
  EXPECT_THAT(read(*entry), ElementsAre("open")) << "STREAM-3: the last item is on its way";
  yield(*entry, 3, {"d"});
  EXPECT_THAT(read(*entry), ElementsAre("d", "ended"));
  EXPECT_THAT(read(*entry), ElementsAre("ended"));
}

TEST_F(StreamTest, TheProducerMayGoOnAsItemsAreTaken) {
  owner::Entry* entry = stream(1, 2);
  yield(*entry, 0, {"a", "b"});
  EXPECT_THAT(credits(), IsEmpty());
  owner::IncomingStream::Item item;
  EXPECT_EQ(reader_.take_item(*entry, item, false, kNever), StreamStep::item);
  EXPECT_THAT(credits(), ElementsAre(3)) << "STREAM-2";
  EXPECT_EQ(effects.sent.back().first, kWorker);
}

TEST_F(StreamTest, TheGeneratorsErrorComesAfterItsItems) {
  owner::Entry* entry = stream(1);
  yield(*entry, 0, {"a"});
  owner::Outcome failed;
  failed.value = owner::Value::of(Error(TaskFailure{.type = "std::runtime_error", .what = "no more"}));
  end(*entry, std::move(failed), 1);
  owner::IncomingStream::Item item;
  EXPECT_EQ(reader_.take_item(*entry, item, false, kNever), StreamStep::item);
  EXPECT_THROW(reader_.take_item(*entry, item, false, kNever), TaskError);
}

TEST_F(StreamTest, AnItemThatComesWhileItIsWaitedForIsTaken) {
  owner::Entry* entry = stream(1);
  waits.on_wait = [&] { yield(*entry, 0, {"a"}); };
  owner::IncomingStream::Item item;
  EXPECT_EQ(reader_.take_item(*entry, item, false, kNever), StreamStep::item);
  EXPECT_EQ(text_of(item.value.bytes()), "a");
  EXPECT_EQ(waits.waits, 1);
  EXPECT_GT(results.drains, 0) << "the end may be in a ring";
}

TEST_F(StreamTest, AtItsDeadlineTheStreamIsOpen) {
  owner::Entry* entry = stream(1);
  owner::IncomingStream::Item item;
  EXPECT_EQ(reader_.take_item(*entry, item, false, detail::Deadline()), StreamStep::open);
  EXPECT_TRUE(entry->wanted) << "it runs before others";
  yield(*entry, 0, {"a"});
  EXPECT_EQ(reader_.take_item(*entry, item, false, detail::Deadline()), StreamStep::item) << "nothing is lost by that";
}

TEST_F(StreamTest, AnItemBecomesAnObject) {
  owner::Entry* entry = stream(1);
  yield(*entry, 0, {"a", "b"});
  owner::IncomingStream::Item first, second;
  EXPECT_EQ(reader_.take_item(*entry, first, true, kNever), StreamStep::item);
  EXPECT_EQ(reader_.take_item(*entry, second, true, kNever), StreamStep::item);
  ASSERT_NE(first.entry, nullptr);
  EXPECT_EQ(first.entry->id, entry->id.item(0));
  EXPECT_EQ(second.entry->id, entry->id.item(1));
  EXPECT_EQ(text_of(first.entry->value.bytes()), "a");
  EXPECT_EQ(first.entry->refs, 1U);
}

TEST_F(StreamTest, SomeOfManyStreamsAreAwaited) {
  owner::Entry* first = stream(1);
  owner::Entry* second = stream(2);
  owner::Entry* third = stream(3);
  const std::vector<detail::EntryHead*> all{first, second, third};
  yield(*second, 0, {"b"});
  EXPECT_TRUE(reader_.await(all, 1, kNever));
  EXPECT_FALSE(reader_.await(all, 2, kNever));
  end(*third, returns(""), 0);
  EXPECT_TRUE(reader_.await(all, 2, kNever)) << "an end counts";
  EXPECT_FALSE(reader_.await(all, 5, kNever));
  yield(*first, 0, {"a"});
  EXPECT_TRUE(reader_.await(all, 5, kNever)) << "no more than there are";
}

TEST_F(StreamTest, AStreamThatIsDroppedEndsItsTask) {
  owner::Entry* queued = stream(1);
  reader_.drop(*queued);
  ASSERT_TRUE(queued->resolved);
  EXPECT_EQ(queued->value.error().code(), ErrorCode::cancelled);
  owner::Entry* running = stream(2);
  locked([&] { ASSERT_TRUE(state.owner->leases().claim(*running)); });
  yield(*running, 0, {"a"});
  reader_.drop(*running);
  EXPECT_FALSE(running->resolved);
  ASSERT_THAT(effects.sent, SizeIs(1));
  EXPECT_EQ(effects.sent[0].first, kWorker);
  EXPECT_TRUE(std::holds_alternative<owner::StreamStop>(effects.sent[0].second));
  locked([&] { state.owner->finished(*running, returns("")); });
}

}  // namespace
}  // namespace manta::client
