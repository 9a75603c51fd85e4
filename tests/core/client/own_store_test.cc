#include "core/client/own_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <future>

#include "tests/core/client/fake_process.h"

namespace manta::client {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Kind = owner::Value::Kind;

constexpr std::uint64_t kQuarter = 256 * 1024;  // of the store

class StoreTest : public FakeProcess, protected OwnStoreContext {
 protected:
  explicit StoreTest(const std::string& spill_directory = "none")
      : FakeProcess(welcome(spill_directory)),
        store_(state, node, *this, store::create_arena_memory(kStoreBytes).value()) {
    effects.on_free = [this](const owner::Location& at) {
      if (const auto* extent = std::get_if<owner::SpilledExtent>(&at)) return store_.free_spilled(*extent);
      if (const auto& block = std::get<owner::StoredLocation>(at); block.arena == kSelf)
        store_.free_block(block.offset);
    };
    effects.on_restore = [this](owner::Entry& entry) { return store_.restore(entry); };
    node.on_send = [this](const net::ClientMessage& message) {  // no other process has anything to spill
      const auto* need = std::get_if<net::NeedSpace>(&message);
      if (need != nullptr && need->number != 0) store_.requests().answered({need->number, 0});
    };
  }
  ~StoreTest() override {
    locked([&] { state.owner->fail_all(Error(ErrorCode::unavailable, "the end")); });
    store_.close();
  }
  static net::Welcome welcome(const std::string& spill_directory) {
    net::Welcome made = default_welcome();
    made.spill_directory = spill_directory;
    return made;
  }

  // --- OwnStoreContext
  void drain() override { ++drains_; }
  bool is_read(const owner::StoredLocation& at) override { return at.offset == read_; }
  std::shared_ptr<const store::ArenaView> arena_of(ClientId process) override {
    return process == kSelf ? kept_ : nullptr;
  }
  void arena_arrived(ClientId process, Fd memory) override {
    EXPECT_EQ(process, kSelf);
    kept_ = store::ArenaView::open(std::move(memory)).value();
  }
  void say_space(std::uint64_t, const std::string&) override {}
  std::string holders_of_store() override { return "; held by process 1"; }

  owner::Value value(const std::string& text, std::size_t inline_limit = 64 * 1024) {
    serial::Writer writer;
    writer(text);
    return store_.make_value(writer, inline_limit);
  }
  // An object that fills a quarter of the store.
  owner::Entry* put_quarter(std::uint64_t n) { return put(n, value(text(n))); }
  static std::string text(std::uint64_t n) { return std::string(kQuarter - 100, static_cast<char>('a' + n)); }
  std::string text_at(const owner::Entry& entry) {
    return locked([&] {
      const owner::StoredLocation& at = entry.value.stored();
      serial::Reader reader({store_.at(at.offset), at.size_bytes}, entry.value.framed());
      return serial::decode<std::string>(reader);
    });
  }

  int drains_ = 0;
  std::uint64_t read_ = ~std::uint64_t{0};
  std::shared_ptr<const store::ArenaView> kept_;
  OwnStore store_;
};

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "manta-spill-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class SpillTest : public TemporaryFolder, public StoreTest {
 protected:
  SpillTest() : StoreTest(path()) {}
};

class NoSpillFolder : public StoreTest {
 protected:
  NoSpillFolder() : StoreTest("/nonexistent/folder") {}
};

TEST_F(StoreTest, SmallValuesStayOnTheHeapAndLargerOnesGetABlock) {
  const owner::Value small = value("small"), medium = value(std::string(1000, 'm'));
  EXPECT_EQ(small.kind(), Kind::inline_bytes);
  EXPECT_EQ(medium.kind(), Kind::heap);
  EXPECT_EQ(state.page.store.used_bytes, 0U);
  const owner::Entry* large = put_quarter(1);
  ASSERT_TRUE(large->value.in_arena());
  EXPECT_EQ(large->value.stored().arena, kSelf);
  EXPECT_EQ(text_at(*large), text(1));
  EXPECT_GE(state.page.store.used_bytes, kQuarter - 100);
  EXPECT_EQ(state.page.store.used_bytes, state.slot.store.used_bytes);
  EXPECT_EQ(value("small", 0).kind(), Kind::stored) << "the caller's limit counts";
}

TEST_F(StoreTest, WhatIsFreedCanBeUsedAgain) {
  const store::Block block = store_.allocate(kQuarter).value();
  const std::uint64_t used = state.page.store.used_bytes;
  store_.free(block.offset);
  EXPECT_LE(state.page.store.used_bytes + kQuarter, used);
  for (int n = 0; n < 20; ++n) store_.free(store_.allocate(kStoreBytes / 2).value().offset);
  owner::Entry* entry = put_quarter(1);
  drop(entry);
  EXPECT_EQ(state.page.store.used_bytes, 0U) << "with its last reference";
}

TEST_F(StoreTest, WithoutSpillingAFullStoreRefusesWithTheSizes) {
  (void)store_.allocate(3 * kQuarter).value();
  const auto refused = store_.allocate(kStoreBytes / 2);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::exhausted);
  EXPECT_THAT(refused.error().message(), AllOf(HasSubstr("object of 512.0 KiB does not fit the store"),
                                               HasSubstr("capacity 1.0 MiB"), HasSubstr("768.0 KiB in use")));
  EXPECT_THAT(node.sent<net::NeedSpace>(), IsEmpty());
  EXPECT_EQ(error_of([&] { (void)value(std::string(kStoreBytes / 2, 'x')); }).code(), ErrorCode::exhausted);
}

TEST_F(SpillTest, AnObjectThatIsLargerThanTheStoreIsRefusedAtOnce) {
  put_quarter(1);
  EXPECT_EQ(store_.allocate(2 * kStoreBytes).error().code(), ErrorCode::exhausted);
  EXPECT_THAT(node.sent<net::NeedSpace>(), IsEmpty());
  EXPECT_EQ(locked([&] { return store_.not_spilled(); }), "");
}

TEST_F(SpillTest, AFullStoreSpillsWhatWasUsedLongestAgo) {
  owner::Entry* oldest = put_quarter(1);
  owner::Entry* second = put_quarter(2);
  owner::Entry* third = put_quarter(3);
  locked([&] { state.owner->objects().used(*oldest); });
  read_ = third->value.stored().offset;
  put_quarter(4);
  EXPECT_TRUE(second->value.in_arena());
  owner::Entry* newest = put_quarter(5);
  EXPECT_TRUE(second->value.spilled());
  EXPECT_TRUE(third->value.in_arena()) << "it is read";
  EXPECT_TRUE(oldest->value.in_arena()) << "it was used since";
  EXPECT_EQ(text_at(*newest), text(5));
  EXPECT_TRUE(std::filesystem::is_empty(path())) << "SPILL-1: the file has no name";
}

TEST_F(SpillTest, WhatWasSpilledComesBackToBeRead) {
  std::vector<owner::Entry*> entries;
  for (std::uint64_t n = 1; n <= 6; ++n) entries.push_back(put_quarter(n));
  for (std::uint64_t n = 1; n <= 6; ++n) {
    owner::Entry& entry = *entries[n - 1];
    if (entry.value.spilled()) store_.restore_to_read(entry, owner::size_of(entry.value.location()));
    ASSERT_TRUE(entry.value.in_arena());
    EXPECT_EQ(text_at(entry), text(n));
    const std::uint64_t used = state.page.store.used_bytes;
    store_.restore_to_read(entry, entry.value.stored().size_bytes);  // another thread was faster
    EXPECT_LE(state.page.store.used_bytes, used);
  }
  for (owner::Entry* entry : entries) drop(entry);
  EXPECT_EQ(state.page.store.used_bytes, 0U);
}

TEST_F(SpillTest, TheOwnersRestoreDoesNotWait) {
  std::vector<owner::Entry*> entries;
  for (std::uint64_t n = 1; n <= 5; ++n) entries.push_back(put_quarter(n));
  owner::Entry& spilled = *entries[0];
  ASSERT_TRUE(spilled.value.spilled());
  EXPECT_TRUE(locked([&] { return store_.restore(spilled); }));
  EXPECT_EQ(text_at(spilled), text(1));
}

TEST_F(SpillTest, TheNodeAsksForSpace) {
  owner::Entry* first = put_quarter(1);
  owner::Entry* second = put_quarter(2);
  EXPECT_GE(store_.make_space(kQuarter / 2), kQuarter / 2);
  EXPECT_EQ(drains_, 1) << "results are objects, too";
  EXPECT_TRUE(first->value.spilled());
  EXPECT_TRUE(second->value.in_arena());
  EXPECT_GT(store_.make_space(kStoreBytes), 0U);
  EXPECT_TRUE(second->value.spilled());
  EXPECT_EQ(store_.make_space(kStoreBytes), 0U) << "nothing is left";
  EXPECT_EQ(state.page.store.used_bytes, 0U);
}

TEST_F(SpillTest, WhatIsInUseCannotBeSpilledAndTheErrorSaysSo) {
  (void)store_.allocate(3 * kQuarter).value();
  const auto refused = store_.allocate(kStoreBytes / 2);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::exhausted);
  EXPECT_THAT(refused.error().message(), AllOf(HasSubstr("does not fit the store"), HasSubstr("cannot be spilled"),
                                               HasSubstr("held by process 1")));
  const auto asked = node.sent<net::NeedSpace>();
  ASSERT_FALSE(asked.empty()) << "other processes may have something";
  EXPECT_EQ(asked[0].bytes, kStoreBytes / 2);
}

TEST_F(SpillTest, SpaceThatOtherProcessesMakeIsUsed) {
  const store::Block block = store_.allocate(3 * kQuarter).value();
  node.on_send = [&](const net::ClientMessage& message) {
    const auto* need = std::get_if<net::NeedSpace>(&message);
    if (need == nullptr) return;
    store_.free(block.offset);
    store_.requests().answered({need->number, need->bytes});
  };
  EXPECT_TRUE(store_.allocate(kStoreBytes / 2));
}

TEST_F(SpillTest, ATaskThatIsPushedDoesNotWaitForSpace) {
  (void)store_.allocate(3 * kQuarter).value();
  const auto push = [&] { return locked([&] { return store_.allocate_to_push(kStoreBytes / 2).has_value(); }); };
  EXPECT_FALSE(push());
  const auto asked = node.sent<net::NeedSpace>();
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_EQ(asked[0].number, 0U) << "without an answer";
}

TEST_F(NoSpillFolder, AFolderThatIsNotThereIsWarnedOfOnce) {
  owner::Entry* entry = put_quarter(1);
  EXPECT_EQ(locked([&] { return store_.not_spilled(); }), "");
  ::testing::internal::CaptureStderr();
  const auto first = store_.allocate(kStoreBytes - 1000);
  const auto second = store_.allocate(kStoreBytes - 1000);
  const std::string log = ::testing::internal::GetCapturedStderr();
  ASSERT_FALSE(first || second);
  EXPECT_THAT(first.error().message(), HasSubstr("/nonexistent/folder"));
  EXPECT_THAT(locked([&] { return store_.not_spilled(); }), HasSubstr("/nonexistent/folder"));
  const std::size_t line = log.find("objects cannot be spilled");
  ASSERT_NE(line, std::string::npos) << log;
  EXPECT_EQ(log.find("objects cannot be spilled", line + 1), std::string::npos) << log;
  EXPECT_EQ(text_at(*entry), text(1));
}

TEST_F(StoreTest, OwnObjectsStayReadableAfterTheNodesEnd) {
  const owner::Entry* entry = put_quarter(1);
  state.page.store.used_bytes = kStoreBytes;  // of other processes, which are gone
  store_.keep();
  EXPECT_EQ(state.page.store.used_bytes, state.slot.store.used_bytes);
  ASSERT_NE(kept_, nullptr);
  const owner::StoredLocation at = entry->value.stored();
  serial::Reader reader({kept_->at(at.offset, at.size_bytes).value(), at.size_bytes}, entry->value.framed());
  EXPECT_EQ(serial::decode<std::string>(reader), text(1));
}

TEST_F(StoreTest, WithoutMemoryForItThereIsNoArena) {
  class Context final : public OwnStoreContext {
    void drain() override {}
    bool is_read(const owner::StoredLocation&) override { return false; }
    std::shared_ptr<const store::ArenaView> arena_of(ClientId) override { return nullptr; }
    void arena_arrived(ClientId, Fd) override {}
    void say_space(std::uint64_t, const std::string&) override {}
    std::string holders_of_store() override { return {}; }
  } context;
  OwnStore store(state, node, context, Fd());
  EXPECT_EQ(error_of([&] { (void)store.allocate(100); }).code(), ErrorCode::exhausted);
  store.free(64);  // there is nothing to free
}

// --- SpaceRequests

class SpaceTest : public FakeProcess {};

TEST_F(SpaceTest, ARequestForSpaceIsAnsweredByAnotherThread) {
  SpaceRequests requests(node);
  auto first = std::async(std::launch::async, [&] { return requests.ask(1000); });
  const auto asked = node.await<net::NeedSpace>();
  EXPECT_EQ(asked.bytes, 1000U);
  auto second = std::async(std::launch::async, [&] { return requests.ask(2000); });
  const auto also = node.await<net::NeedSpace>(2);
  requests.answered({also.number + 1, 5});  // nothing waits for that one
  requests.answered({also.number, 2222});
  requests.answered({asked.number, 1111});
  EXPECT_EQ(first.get(), 1111U);
  EXPECT_EQ(second.get(), 2222U);
  requests.answered({asked.number, 3});
  requests.ask_only(7);
  EXPECT_EQ(node.sent<net::NeedSpace>().back().number, 0U);
}

TEST_F(SpaceTest, ARequestForSpaceEndsWithTheNode) {
  SpaceRequests requests(node);
  auto asking = std::async(std::launch::async, [&] { return requests.ask(1000); });
  (void)node.await<net::NeedSpace>();
  requests.close();
  EXPECT_EQ(asking.get(), 0U);
  EXPECT_EQ(requests.ask(1000), 0U) << "after the end, too";
}

}  // namespace
}  // namespace manta::client
