#include <manta/train/checkpoint_store.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "tests/support/folder.h"
#include "tests/support/message.h"

namespace manta::train {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CheckpointStoreTest : public FolderTest {
 protected:
  // Saves one checkpoint for each score, each with a new store, and returns the scores of those that are kept.
  std::vector<double> kept(const CheckpointConfig& config, const std::vector<double>& scores) {
    State state;
    for (const double score : scores) CheckpointStore(folder_, config).save(state, {.metrics = {{"score", score}}});
    std::vector<double> left;
    for (const Checkpoint& checkpoint : CheckpointStore(folder_, config).all()) {
      left.push_back(checkpoint.metrics().at("score"));
    }
    return left;
  }
  std::string name_of(const std::optional<Checkpoint>& checkpoint) {
    return checkpoint ? checkpoint->folder().filename().string() : "none";
  }
};

TEST_F(CheckpointStoreTest, KeepsAllByDefault) { EXPECT_THAT(kept({}, {3, 1, 2}), ElementsAre(3, 1, 2)); }

TEST_F(CheckpointStoreTest, KeepsTheLastOnes) { EXPECT_THAT(kept({.num_to_keep = 2}, {3, 1, 2}), ElementsAre(1, 2)); }

TEST_F(CheckpointStoreTest, KeepsTheBestAndTheLatest) {
  const CheckpointConfig config{.num_to_keep = 2, .score_attribute = "score"};
  EXPECT_THAT(kept(config, {3, 5, 4, 1}), ElementsAre(5, 4, 1));
  EXPECT_EQ(name_of(CheckpointStore(folder_, config).best()), "checkpoint_000001");
  EXPECT_EQ(name_of(CheckpointStore(folder_, config).latest()), "checkpoint_000003");
  EXPECT_THAT(kept(config, {6}), ElementsAre(5, 6));  // numbers continue after a restart
  EXPECT_EQ(name_of(CheckpointStore(folder_, config).best()), "checkpoint_000004");
}

TEST_F(CheckpointStoreTest, SmallIsGoodWhereAsked) {
  const CheckpointConfig config{.num_to_keep = 1, .score_attribute = "score", .score_order = ScoreOrder::min};
  EXPECT_THAT(kept(config, {3, 1, 2}), ElementsAre(1, 2));
}

TEST_F(CheckpointStoreTest, NanIsWorstAndOfEqualOnesTheLaterStays) {
  const CheckpointConfig config{.num_to_keep = 1, .score_attribute = "score"};
  EXPECT_THAT(kept(config, {NAN, 1, 1}), ElementsAre(1));
  EXPECT_EQ(name_of(CheckpointStore(folder_, config).best()), "checkpoint_000002");
}

TEST_F(CheckpointStoreTest, NanIsNeverTheBestAndInfinitiesAreOrdered) {
  const double infinity = std::numeric_limits<double>::infinity();
  CheckpointConfig config{.score_attribute = "score"};
  (void)kept(config, {-infinity, NAN});
  EXPECT_EQ(name_of(CheckpointStore(folder_, config).best()), "checkpoint_000000");
  config.score_order = ScoreOrder::min;
  (void)kept(config, {infinity, NAN});
  EXPECT_EQ(name_of(CheckpointStore(folder_, config).best()), "checkpoint_000000");
  config.score_attribute = "another";
  EXPECT_EQ(name_of(CheckpointStore(folder_, config).best()), "none");
}

TEST_F(CheckpointStoreTest, FindsNothingInAnEmptyFolder) {
  CheckpointStore store(folder_ / "new" / "run");
  EXPECT_EQ(name_of(store.latest()), "none");
  EXPECT_EQ(name_of(store.best()), "none");
}

TEST_F(CheckpointStoreTest, InterruptedSavesAreNotFoundAndGoWithTheNext) {
  State state;
  CheckpointStore store(folder_);
  store.save(state);
  std::filesystem::create_directories(folder_ / "checkpoint_000001.part");
  write(folder_ / "checkpoint_000001.part" / "model.safetensors", "half");
  std::filesystem::create_directories(folder_ / "mine.part");
  EXPECT_EQ(name_of(CheckpointStore(folder_).latest()), "checkpoint_000000");
  EXPECT_EQ(name_of(store.save(state)), "checkpoint_000001");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "checkpoint_000001.part"));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "mine.part"));
}

TEST_F(CheckpointStoreTest, PassesOverADamagedOneWithALine) {
  State state;
  CheckpointStore store(folder_, {.num_to_keep = 2});
  for (int i = 0; i < 2; ++i) store.save(state);
  write(folder_ / "checkpoint_000001" / "state.json", "{");
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(name_of(store.latest()), "checkpoint_000000");
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("checkpoint_000001/state.json: is damaged"));
  EXPECT_EQ(name_of(store.save(state)), "checkpoint_000002");  // never overwrites
}

TEST_F(CheckpointStoreTest, RefusesANegativeNumber) {
  EXPECT_THAT(message_of([&] { CheckpointStore(folder_, {.num_to_keep = -1}); }), HasSubstr("num_to_keep is -1"));
}

}  // namespace
}  // namespace manta::train
