// OutputSplitter: what came out of a pipe, as lines of functions.
#include "core/node/output_splitter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/net/output_mark.h"

namespace manta::node {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Block = OutputSplitter::Block;

std::string mark(std::uint64_t before, std::uint64_t after) {
  const auto text = net::OutputMark{before, after}.encode();
  return {text.data(), text.size()};
}

class Splitting : public ::testing::Test {
 protected:
  std::vector<Block> add(const std::string& bytes, std::uint64_t function) {
    std::vector<Block> blocks;
    splitter_.add(bytes, function, blocks);
    return blocks;
  }
  std::vector<Block> finish() {
    std::vector<Block> blocks;
    splitter_.finish(blocks);
    return blocks;
  }
  OutputSplitter splitter_;
};

TEST_F(Splitting, LINES1_HandsOutWholeLines) {
  EXPECT_THAT(add("one\ntwo\nthr", 7), ElementsAre(Block{7, "one\ntwo\n"}));
  EXPECT_THAT(add("ee", 7), IsEmpty());
  EXPECT_THAT(add("\n\n", 7), ElementsAre(Block{7, "three\n\n"}));
  EXPECT_THAT(add("last words", 7), IsEmpty());
  EXPECT_THAT(finish(), ElementsAre(Block{7, "last words\n"}));
  EXPECT_THAT(finish(), IsEmpty());
}

TEST_F(Splitting, LINES1_CutsALineThatIsTooLong) {
  std::vector<Block> blocks = add(std::string(3 * OutputSplitter::kLongestLine, 'x'), 7);
  std::string all;
  for (const Block& block : blocks) {
    EXPECT_LE(block.text.size(), 2 * OutputSplitter::kLongestLine + 2);
    all += block.text;
  }
  const std::string piece = std::string(OutputSplitter::kLongestLine, 'x').append("\n");
  EXPECT_EQ(all, piece + piece + piece);
}

TEST_F(Splitting, MARK1_MarksNameTheFunctionsAroundThem) {
  EXPECT_THAT(add("of 1\n" + mark(1, 2) + "of 2\n" + mark(2, 3) + "of 3\n", 3),
              ElementsAre(Block{1, "of 1\n"}, Block{2, "of 2\n"}, Block{3, "of 3\n"}));
  EXPECT_THAT(add(mark(3, 4) + "of 4\n", 3), ElementsAre(Block{4, "of 4\n"})) << "the slot changed after it was read";
  EXPECT_THAT(add("of 5\n", 5), ElementsAre(Block{5, "of 5\n"})) << "without a mark the slot tells";
}

TEST_F(Splitting, LINES2_AnotherFunctionEndsTheLine) {
  EXPECT_THAT(add("half" + mark(1, 2) + "whole\n", 2), ElementsAre(Block{1, "half\n"}, Block{2, "whole\n"}));
  EXPECT_THAT(add("half", 2), IsEmpty());
  EXPECT_THAT(add("whole\n", 3), ElementsAre(Block{2, "half\n"}, Block{3, "whole\n"})) << "only the slot said whose";
}

TEST_F(Splitting, FindsAMarkThatIsTornAnywhere) {
  const std::string bytes = "of 1\n" + mark(1, 2) + "of 2\n";
  for (std::size_t at = 0; at <= bytes.size(); ++at) {
    OutputSplitter splitter;
    std::vector<Block> blocks;
    splitter.add(bytes.substr(0, at), at < 5 + net::OutputMark::kBytes ? 1 : 2, blocks);  // as the slot is by then
    splitter.add(bytes.substr(at), 2, blocks);
    splitter.finish(blocks);
    std::string all;
    for (const Block& block : blocks) all += std::to_string(block.function) + ":" + block.text;
    EXPECT_EQ(all.find('\x1b'), std::string::npos) << at;
    EXPECT_EQ(all.substr(0, 5), "1:of ") << at;
    EXPECT_NE(all.find("of 2\n"), std::string::npos) << at;
  }
}

TEST_F(Splitting, LINES3_AProgressBarIsHandedOutAsItComes) {
  EXPECT_THAT(add("\r10%", 1), ElementsAre(Block{1, "10%\r"}));
  EXPECT_THAT(add("\r2", 1), ElementsAre(Block{1, "10%\r2\r"}));
  EXPECT_THAT(add("0%", 1), ElementsAre(Block{1, "20%\r"}));
  EXPECT_THAT(add("\rdone\n", 1), ElementsAre(Block{1, "20%\rdone\n"}));
  EXPECT_THAT(add("half", 1), IsEmpty()) << "of a line of its own";
  EXPECT_THAT(add("way\r", 1), ElementsAre(Block{1, "halfway\r"})) << "the carriage return may come last";
  EXPECT_THAT(add("100%\r", 1), ElementsAre(Block{1, "100%\r"}));
  EXPECT_THAT(add("\n", 1), ElementsAre(Block{1, "100%\n"}));
  EXPECT_THAT(add("of DOS\r\n", 1), ElementsAre(Block{1, "of DOS\n"}));
  EXPECT_THAT(finish(), IsEmpty());
}

TEST_F(Splitting, MARK2_ALabelStandsForItsNumber) {
  const net::OutputLabel label = net::OutputLabel::of("fold 7");
  const auto bytes = label.encode();
  const std::string text = "before\n" + std::string(bytes.data(), bytes.size()) + mark(3, label.function) + "after\n";
  for (std::size_t at = 0; at <= text.size(); ++at) {
    OutputSplitter splitter;
    std::vector<Block> blocks;
    splitter.add(text.substr(0, at), at < text.size() - 6 ? 3 : label.function, blocks);
    splitter.add(text.substr(at), label.function, blocks);
    splitter.finish(blocks);
    std::string all;
    for (const Block& block : blocks) all += std::to_string(block.function) + ":" + block.text;
    if (at >= 7 && at <= 7 + bytes.size()) {
      EXPECT_EQ(all.substr(0, 9), "3:before\n") << at;
    }
    EXPECT_EQ(all.find('\x1b'), std::string::npos) << at;
    EXPECT_EQ(splitter.label(label.function), "fold 7") << at;
    EXPECT_EQ(splitter.label(3), "");
  }
}

TEST_F(Splitting, LeavesOtherEscapesAsTheyAre) {
  const std::string text = "\x1b[31mred\x1b[0m \x1b]manta:not a mark at all........\a \x1b]0;title\a\n";
  EXPECT_THAT(add(text, 1), ElementsAre(Block{1, text}));
  EXPECT_THAT(add("ends with \x1b", 1), IsEmpty());
  EXPECT_THAT(finish(), ElementsAre(Block{1, "ends with \x1b\n"}));
}

}  // namespace
}  // namespace manta::node
