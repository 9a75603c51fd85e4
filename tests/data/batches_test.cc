// Batches, shuffles and positions, in this process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "tests/data/tables.h"

namespace manta::data {
namespace {

using ::testing::HasSubstr;
using Ids = std::vector<std::int64_t>;

struct Id {
  std::int64_t value;
};
std::vector<Id> some(const Id& row) { return std::vector<Id>(static_cast<std::size_t>(row.value % 4), row); }

void add_ids(Ids& ids, const Block& batch) {
  const auto values = batch["value"].values<std::int64_t>();
  ids.insert(ids.end(), values.begin(), values.end());
}

/// A table of small blocks, of different sizes, some without rows.
Dataset small_blocks(int count) {
  std::vector<Block> blocks;
  std::int64_t next = 0;
  for (int i = 0; i < count; ++i) {
    Ids values(static_cast<std::size_t>(i * 7 % 23));
    std::iota(values.begin(), values.end(), next);
    next += std::ssize(values);
    blocks.emplace_back(Schema({{"value", Kind::int64}}), std::vector<Column>{column_of(std::move(values))});
  }
  return from_blocks(std::move(blocks));
}

Dataset pipeline() { return small_blocks(40).as<Id>().flat_map<some>().shuffle({.seed = 5, .window_rows = 50}); }

TEST(Batches, AreAllOfTheSizeButTheLast) {
  Batches batches = small_blocks(20).batches(7);
  Ids ids;
  std::int64_t last = 7;
  for (const Block& batch : batches) {
    EXPECT_EQ(last, 7);
    last = batch.rows();
    add_ids(ids, batch);
  }
  Ids wanted(ids.size());
  std::iota(wanted.begin(), wanted.end(), 0);
  EXPECT_EQ(ids, wanted);
  EXPECT_EQ(batches.position().epoch, 1U);
  std::int64_t rows = 0;
  for (const Block& batch : small_blocks(20).batches(7, {.drop_last = true})) rows += batch.rows();
  EXPECT_EQ(rows, std::ssize(ids) / 7 * 7);
  EXPECT_EQ(range(0).batches(3).next(), std::nullopt);
  EXPECT_THAT(message_of([] { (void)range(1).batches(0); }), HasSubstr("at least 1"));
}

TEST(Batches, ShufflesDifferByEpochAndSeedAndLoseNothing) {
  Batches batches = small_blocks(40).shuffle({.seed = 1}).batches(16);
  std::vector<Ids> epochs(3);
  for (Ids& ids : epochs) {
    for (const Block& batch : batches) add_ids(ids, batch);
  }
  EXPECT_NE(epochs[0], epochs[1]);
  EXPECT_NE(epochs[1], epochs[2]);
  for (Ids ids : epochs) {
    EXPECT_FALSE(std::is_sorted(ids.begin(), ids.end()));
    std::sort(ids.begin(), ids.end());
    Ids wanted(ids.size());
    std::iota(wanted.begin(), wanted.end(), 0);
    EXPECT_EQ(ids, wanted);
  }
  Ids again;
  for (const Block& batch : small_blocks(40).shuffle({.seed = 1}).batches(16)) add_ids(again, batch);
  EXPECT_EQ(again, epochs[0]);
}

TEST(Batches, ResumeAtEveryPosition) {
  std::vector<Ids> all;  // of two epochs, by batch; an empty one between
  Batches undisturbed = pipeline().batches(9);
  for (int epoch = 0; epoch < 2; ++epoch) {
    while (const std::optional<Block> batch = undisturbed.next()) add_ids(all.emplace_back(), *batch);
    all.emplace_back();
  }
  for (std::size_t at = 0; at < all.size(); at += 5) {
    Batches first = pipeline().batches(9);
    for (std::size_t i = 0; i < at; ++i) (void)first.next();
    const std::map<std::string, std::string> state = first.state_dict();
    Batches second = pipeline().batches(9);
    second.load_state_dict(state);
    for (std::size_t i = at; i < std::min(all.size(), at + 12); ++i) {
      Ids ids;
      if (const std::optional<Block> batch = second.next()) add_ids(ids, *batch);
      ASSERT_EQ(ids, all[i]) << "resumed at " << at << ", batch " << i;
    }
  }
}

TEST(Batches, ResumeReadsNothingBeforeThePosition) {
  Batches first = range(100'000'000).batches(1000);
  Position far{.epoch = 0, .batch = 90'000, .known_batch = 90'000, .known_block = 343, .known_row = 83'968 + 1'152};
  far.known_row = 90'000'000 - far.known_block * 262'144;
  first.seek(far);
  const auto begin = std::chrono::steady_clock::now();
  const std::optional<Block> batch = first.next();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(500));
  ASSERT_TRUE(batch);
  EXPECT_EQ((*batch)["value"].values<std::int64_t>()[0], 90'000'000);
}

TEST(Batches, DoNotDependOnTheMachine) {
  const TemporaryFolder folder;
  (void)range(200'000).with_column("x", col("value") * 2).write(folder / "a.parquet");
  const auto ids = [&](int blocks) {  // as of so many CPUs
    const Dataset table =
        read_parquet(folder / "a.parquet").with_options({.memory_budget_bytes = 8 << 20, .max_blocks = blocks});
    Ids all;
    for (const Block& batch : table.shuffle({.seed = 2}).batches(1000)) add_ids(all, batch);
    return all;
  };
  const Ids few = ids(2);
  EXPECT_EQ(few.size(), 200'000U);
  EXPECT_EQ(ids(60), few);
}

TEST(Batches, ARowThatIsLeftOutIsNotLostInALoader) {
  EXPECT_THAT(message_of([] { (void)range(3).with_options({.quarantine = "bad.parquet"}).batches(1); }),
              HasSubstr("write() the good rows first"));
}

TEST(Batches, ASortBeforeTheLoaderIsKept) {
  Ids ids;
  Batches batches = small_blocks(30).sort("value", descending).batches(10);
  for (const Block& batch : batches) add_ids(ids, batch);
  EXPECT_TRUE(std::is_sorted(ids.rbegin(), ids.rend()));
  EXPECT_FALSE(ids.empty());
}

TEST(Batches, ADamagedPositionIsRefused) {
  Batches batches = range(3).batches(1);
  EXPECT_THAT(message_of([&] {
                batches.load_state_dict(std::map<std::string, std::string>{{"position", "1 2 x"}});
              }),
              HasSubstr("is no position of a loader"));
}

}  // namespace
}  // namespace manta::data
