#include "core/client/values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "core/net/shared_memory.h"
#include "tests/core/client/fake_process.h"

namespace manta::client {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint64_t kOffset = 4096, kSize = 5000;

class ReadTest : public FakeProcess, protected ValuesContext {
 protected:
  ReadTest() : values_(state, node, waits, *this) {}

  // --- ValuesContext
  void restore_to_read(owner::Entry& entry, std::uint64_t size_bytes) override {
    restored_.push_back(size_bytes);
    locked([&] { state.owner->spilling().restored(entry, {kSelf, kOffset, kSize}); });
  }
  void wake_background() override { ++wakes_; }

  // Memory with the same byte everywhere, and a copy of its descriptor.
  static Fd memory(char byte, std::uint64_t size_bytes = 64 * 1024) {
    Fd fd = net::create_shared_memory("test-memory", size_bytes).value();
    std::byte* base = net::map_memory(fd.get(), size_bytes, net::Mapping::shared).value();
    std::memset(base, byte, size_bytes);
    net::unmap_memory(base, size_bytes);
    return fd;
  }
  // A result that lies there; made again if it is lost, as often as max_retries says.
  owner::Entry* put_at(std::uint64_t n, ClientId arena, std::uint64_t offset = kOffset, std::int16_t max_retries = 3) {
    owner::NewTask made = task(n);
    made.max_retries = max_retries;
    owner::Entry* entry = submit(std::move(made));
    owner::Outcome outcome;
    outcome.value = owner::Value::at({arena, offset, kSize}, true);
    finish(*entry, std::move(outcome));
    return entry;
  }
  // The other node answers at once.
  void answer_pulls(char byte) {
    node.on_send = [this, byte](const net::ClientMessage& message) {
      if (const auto* pull = std::get_if<net::PullBlock>(&message))
        values_.block_arrived({pull->id, ""}, memory(byte, kSize));
    };
  }
  static std::string bytes(const detail::ValueView& view) { return text_of(view.bytes); }
  std::size_t pulls() { return node.sent<net::PullBlock>().size(); }

  std::vector<std::uint64_t> restored_;
  int wakes_ = 0;
  Values values_;
};

TEST_F(ReadTest, SmallValuesAreReadWhereTheyAre) {
  owner::Entry* small = put(1, bytes_of("small"));
  owner::Entry* medium = put(2, bytes_of(std::string(1000, 'm')));
  const detail::ValueView view = values_.read(*small);
  EXPECT_EQ(bytes(view), "small");
  EXPECT_EQ(view.keepalive, nullptr) << "the reference keeps it";
  EXPECT_EQ(view.object, ObjectId{});
  EXPECT_EQ(bytes(values_.read(*medium)), std::string(1000, 'm'));
}

TEST_F(ReadTest, AnErrorIsThrownAndCountsAsSeen) {
  owner::Entry* entry = put(1, owner::Value::of(Error(ErrorCode::worker_died, "was killed")));
  const Error error = error_of([&] { values_.read(*entry); });
  EXPECT_EQ(error.code(), ErrorCode::worker_died);
  EXPECT_EQ(error.message(), "was killed");
  EXPECT_TRUE(entry->seen);
  owner::Entry* failed = put(2, owner::Value::of(Error(TaskFailure{.type = "std::logic_error", .what = "no"})));
  EXPECT_THROW(values_.read(*failed), TaskError);
}

// --- arenas of this node

TEST_F(ReadTest, AStoredValueIsReadInPlaceAndHeldMeanwhile) {
  values_.arena_arrived(kSelf, memory('s'));
  owner::Entry* entry = put_at(1, kSelf);
  const owner::StoredLocation at = entry->value.stored();
  EXPECT_FALSE(values_.is_read(at));
  {
    const detail::ValueView first = values_.read(*entry), second = values_.read(*entry);
    EXPECT_EQ(bytes(first), std::string(kSize, 's'));
    EXPECT_TRUE(first.framed);
    EXPECT_EQ(first.object, entry->id);
    EXPECT_EQ(first.bytes.data(), second.bytes.data());
    EXPECT_EQ(first.keepalive, second.keepalive) << "PIN-2";
    EXPECT_TRUE(values_.is_read(at));
    EXPECT_EQ(entry->refs, 2U) << "PIN-1";
  }
  EXPECT_FALSE(values_.is_read(at));
  EXPECT_EQ(entry->refs, 1U);
}

TEST_F(ReadTest, TheNodeIsAskedForAnArenaOnce) {
  owner::Entry* entry = put_at(1, kWorker);
  EXPECT_TRUE(values_.is_read(entry->value.stored())) << "an arena that was never seen";
  auto first = std::async(std::launch::async, [&] { return bytes(values_.read(*entry)); });
  EXPECT_EQ(node.await<net::RequestArena>().client, kWorker);
  EXPECT_EQ(values_.arena_of(kWorker), nullptr);
  values_.arena_arrived(kWorker, memory('w'));
  EXPECT_EQ(first.get(), std::string(kSize, 'w'));
  EXPECT_EQ(bytes(values_.read(*entry)), std::string(kSize, 'w'));
  EXPECT_THAT(node.sent<net::RequestArena>(), SizeIs(1));
  values_.arena_unused(kWorker);
  EXPECT_EQ(values_.arena_of(kWorker), nullptr);
}

TEST_F(ReadTest, AnArenaThatTheNodeDoesNotKnowIsLost) {
  owner::Entry* entry = put_at(1, kWorker);
  node.on_send = [&](const net::ClientMessage&) { values_.arena_arrived(kWorker, Fd()); };
  EXPECT_EQ(error_of([&] { values_.read(*entry); }).code(), ErrorCode::object_lost);
}

TEST_F(ReadTest, APlaceOutsideOfTheArenaIsAnError) {
  values_.arena_arrived(kSelf, memory('s'));
  owner::Entry* entry = put_at(1, kSelf, 64 * 1024 - 100);
  EXPECT_EQ(error_of([&] { values_.read(*entry); }).code(), ErrorCode::invalid_argument);
  std::shared_ptr<const void> keepalive;
  EXPECT_FALSE(values_.bytes_at(entry->value.stored(), keepalive));
}

TEST_F(ReadTest, ASpilledValueIsBroughtBackFirst) {
  values_.arena_arrived(kSelf, memory('s'));
  owner::Entry* entry = put_at(1, kSelf);
  locked([&] { state.owner->spilling().spilled(*entry, {0, kSize}); });
  EXPECT_EQ(bytes(values_.read(*entry)), std::string(kSize, 's'));
  EXPECT_THAT(restored_, ElementsAre(kSize));
}

TEST_F(ReadTest, ArgumentsAreReadBeforeTheirTaskRuns) {
  owner::Entry* entry = submit(1);
  locked([&] { ASSERT_TRUE(state.owner->leases().claim(*entry)); });
  EXPECT_EQ(bytes(values_.read_arguments(*entry)), "arguments");
  EXPECT_EQ(waits.waits, 0);
  locked([&] { state.owner->finished(*entry, returns("done")); });
  EXPECT_EQ(bytes(values_.read(*entry)), "done");
}

// --- other nodes

TEST_F(ReadTest, AValueOfAnotherNodeIsBroughtHereOnce) {
  answer_pulls('f');
  owner::Entry* entry = put_at(1, kFarWorker);
  EXPECT_TRUE(values_.lies_elsewhere(*entry));
  const detail::ValueView view = values_.read(*entry);
  EXPECT_EQ(bytes(view), std::string(kSize, 'f'));
  EXPECT_EQ(view.object, entry->id);
  EXPECT_EQ(entry->refs, 2U);
  const auto asked = node.sent<net::PullBlock>();
  ASSERT_THAT(asked, SizeIs(1));
  EXPECT_EQ(asked[0].location, entry->value.stored());
  EXPECT_EQ(values_.read(*entry).bytes.data(), view.bytes.data());
  EXPECT_EQ(pulls(), 1U) << "BLOCKS-1";
  values_.unused(entry->value.stored());
  EXPECT_EQ(bytes(view), std::string(kSize, 'f')) << "a view keeps its copy";
  answer_pulls('g');
  EXPECT_EQ(bytes(values_.read(*entry)), std::string(kSize, 'g')) << "BLOCKS-3: the place is used again";
  EXPECT_EQ(pulls(), 2U);
}

TEST_F(ReadTest, ThreadsThatReadTheSameBlockShareItsJourney) {
  owner::Entry* entry = put_at(1, kFarWorker);
  const auto read = [&] { return bytes(values_.read(*entry)); };
  auto first = std::async(std::launch::async, read), second = std::async(std::launch::async, read);
  const auto asked = node.await<net::PullBlock>();
  values_.block_arrived({asked.id + 1, ""}, memory('x', kSize));  // not asked for
  values_.block_arrived({asked.id, ""}, memory('f', kSize));
  EXPECT_EQ(first.get(), std::string(kSize, 'f'));
  EXPECT_EQ(second.get(), std::string(kSize, 'f'));
  EXPECT_EQ(pulls(), 1U);
}

TEST_F(ReadTest, AValueThatIsLostWithItsNodeIsAnError) {
  owner::Entry* entry = put_at(1, kFarWorker, kOffset, 0);
  node.on_send = [&](const net::ClientMessage& message) {
    const auto& pull = std::get<net::PullBlock>(message);
    locked([&] { state.owner->node_died(kThere, "was on there, which was lost"); });
    values_.block_arrived({pull.id, "its node is gone"}, Fd());
  };
  const Error error = error_of([&] { values_.read(*entry); });
  EXPECT_EQ(error.code(), ErrorCode::object_lost);
  EXPECT_THAT(error.message(), HasSubstr("which was lost"));
  EXPECT_TRUE(entry->seen);
}

TEST_F(ReadTest, AValueThatIsMadeAgainMeanwhileIsReadThen) {
  owner::Entry* entry = put_at(1, kFarWorker);
  node.on_send = [&](const net::ClientMessage& message) {
    const auto& pull = std::get<net::PullBlock>(message);
    locked([&] { state.owner->node_died(kThere, "was on there, which was lost"); });
    values_.block_arrived({pull.id, "its node is gone"}, Fd());
  };
  waits.on_wait = [&] {
    locked([&] { state.owner->tasks().want(*entry); });
    finish(*entry, returns("made again"));
  };
  EXPECT_EQ(bytes(values_.read(*entry)), "made again");
  EXPECT_EQ(waits.waits, 1);
  EXPECT_EQ(entry->attempt, 1);
}

TEST_F(ReadTest, AfterTheNodesEndALostBlockIsNotWaitedFor) {
  owner::Entry* entry = put_at(1, kFarWorker);
  auto reading = std::async(std::launch::async, [&] { return error_of([&] { values_.read(*entry); }); });
  (void)node.await<net::PullBlock>();
  locked([&] { state.node_gone = true; });
  values_.close();
  const Error error = reading.get();
  EXPECT_EQ(error.code(), ErrorCode::object_lost);
  EXPECT_THAT(error.message(), AllOf(HasSubstr(entry->id.to_string()), HasSubstr("the runtime has ended")));
  EXPECT_EQ(entry->refs, 1U);
}

TEST_F(ReadTest, AnArgumentsBlockIsNotKept) {
  answer_pulls('f');
  const owner::StoredLocation at{kFarWorker, kOffset, kSize};
  owner::Entry* entry = borrow(1);  // its own entry does not know the place
  detail::retain(entry);
  EXPECT_EQ(bytes(values_.view(at, true, entry)), std::string(kSize, 'f'));
  EXPECT_EQ(entry->refs, 1U) << "the view has let it go";
  std::shared_ptr<const void> keepalive;
  const std::byte* data = values_.bytes_at(at, keepalive).value();
  EXPECT_EQ(std::to_integer<char>(data[kSize - 1]), 'f');
  EXPECT_NE(keepalive, nullptr);
  EXPECT_EQ(pulls(), 2U);
}

// --- read ahead

TEST_F(ReadTest, BlocksThatWillBeReadAreBroughtAhead) {
  owner::Entry* far = put_at(1, kFarWorker);
  owner::Entry* near = put_at(2, kSelf);
  owner::Entry* open = submit(3);
  const std::vector<detail::EntryHead*> entries{far, near, open};
  EXPECT_FALSE(values_.lies_elsewhere(*near));
  EXPECT_FALSE(values_.lies_elsewhere(*open));
  values_.bring(entries);
  ASSERT_EQ(pulls(), 1U);
  values_.block_arrived({node.sent<net::PullBlock>()[0].id, ""}, memory('f', kSize));
  values_.bring(entries);
  EXPECT_EQ(bytes(values_.read(*far)), std::string(kSize, 'f'));
  EXPECT_EQ(pulls(), 1U);
}

TEST_F(ReadTest, ABlockThatWasLostAheadIsAskedForByItsReader) {
  owner::Entry* entry = put_at(1, kFarWorker);
  const std::vector<detail::EntryHead*> entries{entry};
  values_.bring(entries);
  values_.block_arrived({node.sent<net::PullBlock>()[0].id, "no memory"}, Fd());
  answer_pulls('f');
  EXPECT_EQ(bytes(values_.read(*entry)), std::string(kSize, 'f'));
  EXPECT_EQ(pulls(), 2U);
}

TEST_F(ReadTest, OwnersAreAskedForWhatIsBorrowed) {
  owner::Entry* borrowed = borrow(1);
  owner::Entry* own = submit(2);
  const std::vector<detail::EntryHead*> entries{borrowed, own};
  values_.ask_for(entries);
  ASSERT_THAT(effects.sent, SizeIs(1));
  EXPECT_EQ(std::get<owner::Fetch>(effects.sent[0].second).object, borrowed->id);
  EXPECT_EQ(node.waits_for_space, 1);
  values_.ask_for(entries);
  EXPECT_THAT(effects.sent, SizeIs(1)) << "once";
}

// --- decoded once for all tasks

TEST_F(ReadTest, ASharedValueIsKeptAndDroppedInTime) {
  const int type = 0;
  EXPECT_EQ(values_.find_shared(object(1), &type), nullptr);
  auto first = std::make_shared<const int>(5);
  const auto second = std::make_shared<const int>(5);
  EXPECT_EQ(values_.keep_shared(object(1), &type, first, 8), first);
  EXPECT_EQ(wakes_, 1);
  EXPECT_EQ(values_.keep_shared(object(1), &type, second, 8), first) << "SHARE-1";
  EXPECT_EQ(values_.find_shared(object(1), &type), first);
  const auto later = std::chrono::steady_clock::now() + 2 * SharedValues::kUnused;
  EXPECT_LT(values_.expire_shared(later), SharedValues::Time::max()) << "it is used still";
  first.reset();
  EXPECT_EQ(values_.expire_shared(later + 2 * SharedValues::kUnused), SharedValues::Time::max());
  EXPECT_EQ(values_.find_shared(object(1), &type), nullptr);
}

}  // namespace
}  // namespace manta::client
