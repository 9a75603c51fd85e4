#include <cmath>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <manta/report/progress.h>
#include <manta/report/result_log.h>
#include <manta/report/tensorboard.h>

#include "core/report/crc32c.h"
#include "tests/support/file_limit.h"
#include "tests/support/folder.h"
#include "tests/support/message.h"

namespace manta::report {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

// RFC 3720, appendix B.4, and the check value of the catalogue of CRCs.
TEST(Crc32c, HasTheKnownValues) {
  EXPECT_EQ(crc32c(""), 0U);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43U);
  std::string rising;
  for (char c = 0; c < 32; ++c) rising += c;
  EXPECT_EQ(crc32c(rising), 0x46dd794eU);
  EXPECT_EQ(crc32c(std::string(rising.rbegin(), rising.rend())), 0x113fdb5cU);
}

// The payloads of an event file's records, whose checksums must be right; "damaged" as the last where one is not whole.
std::vector<std::string> records(const std::string& file) {
  std::vector<std::string> found;
  const auto number = [&](std::size_t at, std::size_t bytes) {
    std::uint64_t value = 0;
    std::memcpy(&value, file.data() + at, bytes);
    return value;
  };
  for (std::size_t at = 0; at < file.size();) {
    const std::size_t length = at + 16 <= file.size() ? number(at, 8) : file.size();
    if (length > file.size() - at - 16 || number(at + 8, 4) != masked_crc32c(file.substr(at, 8)) ||
        number(at + 12 + length, 4) != masked_crc32c(file.substr(at + 12, length))) {
      found.push_back("damaged");
      break;
    }
    found.push_back(file.substr(at + 12, length));
    at += 16 + length;
  }
  return found;
}

class TensorBoardTest : public FolderTest {};

TEST_F(TensorBoardTest, WritesRecords) {
  fs::path path;
  {
    TensorBoardWriter board(folder_ / "new/run");
    path = board.path();
    EXPECT_THAT(path.filename().string(), MatchesRegex("events\\.out\\.tfevents\\.[0-9]+\\..+\\.[0-9]+\\.[0-9]+"));
    EXPECT_THAT(records(read(path)), ElementsAre(HasSubstr("brain.Event:2")));  // TensorBoard sees the run at once
    board.add_scalar("loss", 1.0, 300);
    board.add_scalars({{"a", 1}, {"b", 2}}, 301, "train/");
    board.add_text("note\xff", "*hello*", 1);
    board.flush();
    EXPECT_EQ(records(read(path)).size(), 4U);
    board.add_scalar("loss", NAN, -1);
  }
  const auto all = records(read(path));
  ASSERT_EQ(all.size(), 5U);
  EXPECT_THAT(all[1], HasSubstr(std::string("\x10\xac\x02\x2a\x0d\x0a\x0b\x0a\x04loss\x15\0\0\x80\x3f", 18)));
  EXPECT_THAT(all[2], AllOf(HasSubstr("train/a"), HasSubstr("train/b")));
  EXPECT_THAT(all[3], AllOf(HasSubstr("note\xef\xbf\xbd"), HasSubstr("*hello*")));
}

// The bytes are those of TensorBoard's own messages; tests/tune/peers_test.py has it read them.
TEST_F(TensorBoardTest, WritesHyperparameters) {
  TensorBoardWriter board(folder_);
  board.begin_session({{"rate", 0.5}, {"kernel", "rbf"}, {"balanced", true}}, "group");
  board.end_session(false);
  board.add_experiment("study", {{"rate", 0.5}, {"kernel", "rbf"}}, {"loss"});
  board.flush();
  const auto all = records(read(board.path()));
  ASSERT_EQ(all.size(), 4U);
  EXPECT_THAT(all[1], AllOf(HasSubstr("_hparams_/session_start_info"), HasSubstr("hparams"), HasSubstr("\x04rate"),
                            HasSubstr(std::string("\x11\0\0\0\0\0\0\xe0\x3f", 9)), HasSubstr("\x1a\x03rbf"),
                            HasSubstr("\x08"
                                      "balanced\x12\x02\x20\x01"),
                            HasSubstr("\x22\x05group")));
  EXPECT_THAT(all[2], AllOf(HasSubstr("_hparams_/session_end_info"), HasSubstr("\x08\x02\x11")));
  EXPECT_THAT(all[3],
              AllOf(HasSubstr("_hparams_/experiment"), HasSubstr("\x0a\x04rate\x20\x03"),
                    HasSubstr("\x0a\x06kernel\x20\x01"), HasSubstr("\x12\x04loss"), HasSubstr("\x32\x05study")));
}

TEST_F(TensorBoardTest, TwoWritersHaveTwoFiles) {
  EXPECT_NE(TensorBoardWriter(folder_).path(), TensorBoardWriter(folder_).path());
}

TEST_F(TensorBoardTest, AFullDiskIsSaidOnceAndLeavesAReadableFile) {
  TensorBoardWriter board(folder_);
  TensorBoardWriter moved = std::move(board);
  moved.add_text("long", std::string(5000, 'x'), 0);  // beyond the limit's reach: what captures the standard error
  moved.flush();
  ::testing::internal::CaptureStderr();
  {
    const FileLimit full(fs::file_size(moved.path()) + 40);
    for (int step = 0; step < 5; ++step) {
      moved.add_scalar("loss", 1, step);
      moved.flush();
    }
  }
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              MatchesRegex("manta: [^\n]*tfevents[^\n]*: cannot be written: [^\n]*Next: [^\n]*\n"));
  ASSERT_TRUE(moved.error());
  EXPECT_EQ(moved.error()->code(), ErrorCode::exhausted);
  moved.add_scalar("later", 1, 9);
  moved.flush();
  const auto all = records(read(moved.path()));
  EXPECT_THAT(all.back(), HasSubstr("later"));
}

TEST_F(TensorBoardTest, AFolderThatCannotBeMadeIsNamed) {
  write(folder_ / "file", "");
  EXPECT_THAT(message_of([&] { TensorBoardWriter(folder_ / "file/x"); }), HasSubstr("file/x: cannot be made"));
}

class ResultLogTest : public FolderTest {
 protected:
  std::vector<std::string> lines(const char* name) {
    std::ifstream file(folder_ / name);
    std::vector<std::string> found;
    for (std::string line; std::getline(file, line);) found.push_back(line);
    return found;
  }
};

TEST_F(ResultLogTest, WritesALineAndARowForEach) {
  ResultLog log(folder_);
  log.add({{"loss", 0.1}, {"epoch", 1}, {"timestamp", 7}, {"time_total_s", 0.5}});
  log.add({{"loss", NAN}, {"epoch", 2}, {"timestamp", 8}, {"time_total_s", INFINITY}});
  EXPECT_THAT(
      lines("result.json"),
      ElementsAre(R"({"epoch": 1, "loss": 0.1, "time_total_s": 0.5, "timestamp": 7, "training_iteration": 1})",
                  R"({"epoch": 2, "loss": NaN, "time_total_s": Infinity, "timestamp": 8, "training_iteration": 2})"));
  EXPECT_THAT(lines("progress.csv"),
              ElementsAre("epoch,loss,time_total_s,timestamp,training_iteration", "1,0.1,0.5,7,1", "2,nan,inf,8,2"));
}

TEST_F(ResultLogTest, ANewMetricGetsAColumnAtTheEnd) {
  ResultLog log(folder_);
  const Metrics always{{"timestamp", 7}, {"time_total_s", 1}};
  const auto add = [&](Metrics metrics) {
    metrics.insert(always.begin(), always.end());
    log.add(metrics);
  };
  add({{"b", 1}});
  add({{"a, \"quoted\"", 3}, {"b", 2}});
  add({{"a, \"quoted\"", 4}});
  EXPECT_THAT(lines("progress.csv"), ElementsAre("b,time_total_s,timestamp,training_iteration,\"a, \"\"quoted\"\"\"",
                                                 "1,1,7,1,", "2,1,7,2,3", ",1,7,3,4"));
  EXPECT_FALSE(fs::exists(folder_ / "progress.csv.part"));
}

TEST_F(ResultLogTest, GoesOnAfterARestartAndDropsACutLine) {
  ResultLog(folder_).add({{"x,", 1}, {"time_total_s", 100}});
  ResultLog(folder_).add({{"x,", NAN}, {"NaN \\\" NaN", INFINITY}});
  std::ofstream(folder_ / "result.json", std::ios::app) << "{\"x\": 1";
  std::ofstream(folder_ / "progress.csv", std::ios::app) << "12,3";
  ResultLog log(folder_);
  EXPECT_EQ(log.iterations(), 2);
  log.add({{"x,", 3}});
  const auto json = lines("result.json");
  ASSERT_EQ(json.size(), 3U);
  const auto last = nlohmann::json::parse(json[2]);
  EXPECT_EQ(last["training_iteration"], 3);
  EXPECT_GE(last["time_total_s"].get<double>(), 100);
  EXPECT_EQ(lines("progress.csv").size(), 4U);
  EXPECT_THAT(lines("progress.csv")[0], StartsWith("\"x,\",time_total_s,timestamp,training_iteration,"));
}

TEST_F(ResultLogTest, DropsWhatIsReportedAnew) {
  {
    ResultLog log(folder_);
    for (int i = 1; i <= 5; ++i) log.add({{"x", i}});
  }
  {
    ResultLog log(folder_, 2);
    EXPECT_EQ(log.iterations(), 2);
    log.add({{"x", 30}});
  }
  EXPECT_EQ(lines("result.json").size(), 3U);
  EXPECT_EQ(lines("progress.csv").size(), 4U);
  EXPECT_THAT(lines("result.json")[2], AllOf(HasSubstr("\"training_iteration\": 3"), HasSubstr("\"x\": 30")));
  EXPECT_THAT(lines("progress.csv")[3], HasSubstr(",3,30"));
  EXPECT_EQ(ResultLog(folder_, 9).iterations(), 3);
  EXPECT_EQ(ResultLog(folder_, 0).iterations(), 0);
  EXPECT_EQ(lines("result.json").size(), 0U);
  EXPECT_EQ(lines("progress.csv").size(), 1U);
}

TEST_F(ResultLogTest, RefusesAFileOfSomethingElse) {
  write(folder_ / "result.json", "hello\n");
  EXPECT_THAT(message_of([&] { ResultLog log(folder_); }), HasSubstr("result.json: its last line is not a report"));
}

TEST_F(ResultLogTest, AFullDiskIsSaidOncePerFileAndTheNextReportIsWhole) {
  ResultLog log(folder_);
  log.add({{"x", 1}, {std::string(5000, 'y'), 1}});
  ::testing::internal::CaptureStderr();
  {
    const FileLimit full(fs::file_size(folder_ / "result.json") + 10);
    for (int i = 0; i < 3; ++i) log.add({{"x", 2}});
  }
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("result.json: cannot be written"));
  ASSERT_TRUE(log.error());
  log.add({{"x", 5}});
  const auto json = lines("result.json");
  ASSERT_EQ(json.size(), 2U);
  EXPECT_EQ(nlohmann::json::parse(json[1])["x"], 5);
}

ProgressLine::Clock::time_point now_of_test;
ProgressLine::Clock::time_point test_clock() { return now_of_test; }

struct ProgressTest : ::testing::Test {
  ProgressTest() { now_of_test = {}; }
  ~ProgressTest() override { std::fclose(out); }
  std::string printed() {
    std::string text(static_cast<std::size_t>(std::ftell(out)), '\0');
    std::rewind(out);
    text.resize(std::fread(text.data(), 1, text.size(), out));
    return text;
  }
  std::FILE* out = std::tmpfile();
};

TEST_F(ProgressTest, ANewLineEveryFiveSecondsWhereThereIsNoTerminal) {
  ProgressLine line({.samples = 1000, .epochs = 2, .steps = 50, .out = out}, &test_clock);
  for (int step = 1; step <= 50; ++step) {
    now_of_test += std::chrono::milliseconds(200);
    line.show(step * 10, {{"epoch", 1}, {"step", step}, {"loss", 1}, {"accuracy", 0.5}, {"lr", 0.01}, {"samples", 9}});
  }
  EXPECT_EQ(printed(),
            "epoch 1/2  step  1/50  loss 1.0000  accuracy 50.00 %  lr 0.01      50 images/s   20 s left\n"
            "epoch 1/2  step 26/50  loss 1.0000  accuracy 50.00 %  lr 0.01      50 images/s   15 s left\n"
            "epoch 1/2  step 50/50  loss 1.0000  accuracy 50.00 %  lr 0.01      50 images/s   10 s left\n");
}

TEST_F(ProgressTest, LossIsSmoothedAndTimeThatDoesNotCountLeftOut) {
  ProgressLine line({.samples = 4000, .unit = "tokens", .out = out}, &test_clock);
  line.already_done(1000);
  line.show(0, {{"train/loss", 1}, {"step", 3}});
  now_of_test += std::chrono::seconds(20);
  line.leave_out(std::chrono::seconds(10));
  line.print("checkpoint saved");
  line.show(100, {{"train/loss", 3}, {"step", 4}});
  EXPECT_EQ(printed(),
            "step 3  train/loss 1.0000       0 tokens/s\ncheckpoint saved\n"
            "step 4  train/loss 1.1000      10 tokens/s  4 min 50 s left\n");
}

}  // namespace
}  // namespace manta::report
