// OutputFolder: lines and time in, lines out.
#include "core/observe/output_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace manta::observe {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Time = OutputFolder::Time;

class Folding : public ::testing::Test {
 protected:
  void say(std::uint64_t worker, const std::string& text, Time at = Time{0}, bool error = false) {
    folder_.add({ClientId{worker}, error, "f pid=" + std::to_string(worker), text}, at, lines_);
  }
  std::vector<std::string> shown() {
    std::vector<std::string> texts;
    for (const OutputFolder::Line& line : lines_)
      texts.push_back((line.error ? "!" : "") + line.who + ": " + line.text);
    lines_.clear();
    return texts;
  }
  std::vector<std::string> tick(Time at) {
    folder_.tick(at, lines_);
    return shown();
  }
  std::vector<std::string> finish() {
    folder_.finish(lines_);
    return shown();
  }

  OutputFolder folder_{true};
  std::vector<OutputFolder::Line> lines_;
};

TEST_F(Folding, FOLD1_TheFirstIsShownAtOnceAndALoopOfOneWorkerIsNotFolded) {
  say(1, "step");
  say(1, "step");
  say(1, "step");
  EXPECT_THAT(shown(), ElementsAre("f pid=1: step", "f pid=1: step", "f pid=1: step"));
  EXPECT_THAT(finish(), IsEmpty());
}

TEST_F(Folding, FOLD2_WhatOthersSayIsCountedUntilTheWindowEnds) {
  for (std::uint64_t worker = 1; worker <= 8; ++worker) say(worker, "ready", milliseconds(worker));
  EXPECT_THAT(shown(), ElementsAre("f pid=1: ready"));
  EXPECT_EQ(folder_.next_end(), milliseconds(1) + OutputFolder::kWindow);
  EXPECT_THAT(tick(milliseconds(5000)), IsEmpty());
  EXPECT_THAT(tick(milliseconds(5001)), ElementsAre("f pid=8: ready [repeated 7x]"));
  say(2, "ready", seconds(6));
  say(1, "ready", seconds(6));
  EXPECT_THAT(shown(), IsEmpty()) << "a new window began";
  EXPECT_THAT(tick(seconds(11)), ElementsAre("f pid=1: ready [repeated 2x]"));
  EXPECT_THAT(tick(seconds(17)), IsEmpty());
  EXPECT_EQ(folder_.next_end(), OutputFolder::kNever) << "no process wrote it any more";
  say(3, "ready", seconds(18));
  EXPECT_THAT(shown(), ElementsAre("f pid=3: ready"));
}

TEST_F(Folding, FOLD2_OneMoreIsShownAsItIs) {
  say(1, "ready");
  say(2, "ready");
  EXPECT_THAT(shown(), ElementsAre("f pid=1: ready"));
  EXPECT_THAT(tick(seconds(5)), ElementsAre("f pid=2: ready"));
  EXPECT_EQ(folder_.next_end(), OutputFolder::kNever);
}

TEST_F(Folding, FOLD2_TheEndOfTheProgramEndsAllWindows) {
  for (std::uint64_t worker = 1; worker <= 3; ++worker) say(worker, "a");
  for (std::uint64_t worker = 1; worker <= 4; ++worker) say(worker, "b");
  (void)shown();
  EXPECT_THAT(finish(), ElementsAre("f pid=3: a [repeated 2x]", "f pid=4: b [repeated 3x]"));
}

TEST_F(Folding, IsOfLiteralTextsAndOfOneStream) {
  say(1, "loss 0.5");
  say(2, "loss 0.6");
  say(2, "loss 0.5", Time{0}, true);
  EXPECT_THAT(shown(), ElementsAre("f pid=1: loss 0.5", "f pid=2: loss 0.6", "!f pid=2: loss 0.5"));
  say(1, "");
  say(2, "");
  EXPECT_THAT(shown(), ElementsAre("f pid=1: ", "f pid=2: ")) << "empty lines are layout";
}

TEST_F(Folding, FOLD3_RemembersSoManyTextsOnly) {
  for (std::size_t i = 0; i <= OutputFolder::kMaxTexts; ++i) say(1, std::to_string(i));
  (void)shown();
  say(2, "1");
  say(2, "0");
  EXPECT_THAT(shown(), ElementsAre("f pid=2: 1", "f pid=2: 0")) << "each forgets the oldest, and shows what it owes";
  const std::string long_text(OutputFolder::kLongestText + 1, 'x');
  say(1, long_text);
  say(2, long_text);
  EXPECT_EQ(shown().size(), 2u);
}

TEST(NoFolding, ShowsEverything) {
  OutputFolder folder(false);
  std::vector<OutputFolder::Line> lines;
  for (std::uint64_t worker = 1; worker <= 3; ++worker) {
    folder.add({ClientId{worker}, false, "f", "same"}, Time{0}, lines);
  }
  EXPECT_EQ(lines.size(), 3u);
  EXPECT_EQ(folder.next_end(), OutputFolder::kNever);
}

}  // namespace
}  // namespace manta::observe
