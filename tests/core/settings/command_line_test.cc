#include "core/settings/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <manta/error.h>

namespace manta::settings {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Arguments {
 public:
  explicit Arguments(std::vector<std::string> words) : words_(std::move(words)) {
    words_.insert(words_.begin(), "program");
    for (std::string& word : words_) argv_.push_back(word.data());
    argv_.push_back(nullptr);
  }
  CommandLine line() { return {static_cast<int>(words_.size()), argv_.data()}; }

 private:
  std::vector<std::string> words_;
  std::vector<char*> argv_;
};

std::string refusal(std::vector<std::string> words) {
  try {
    Arguments(std::move(words)).line().check();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.message();
  }
  return "accepted";
}

TEST(CommandLine, GivesTheValuesOfFlags) {
  Arguments arguments({"--verbose", "--manta-num-cpus=2", "file", "--", "--manta-join=host:1"});
  EXPECT_STREQ(arguments.line().value("num-cpus"), "2");
  EXPECT_EQ(arguments.line().value("num-gpus"), nullptr);
  EXPECT_EQ(arguments.line().value("join"), nullptr) << "it is the program's own";
  EXPECT_EQ(CommandLine().value("num-cpus"), nullptr);
}

TEST(CommandLine, LeavesTheProgramsOwnFlagsAlone) {
  EXPECT_EQ(refusal({}), "accepted");
  EXPECT_EQ(refusal({"--help", "-v", "--mantas", "--manta-num-gpus=0", "--", "--manta-nonsense"}), "accepted");
  EXPECT_EQ(refusal({"--manta-num-cpus=2", "--manta-num-cpus=2"}), "accepted");
}

TEST(CommandLine, NamesTheNearestFlagAndTheHelp) {
  EXPECT_THAT(refusal({"--manta-num-cpu=2"}),
              AllOf(HasSubstr("the command line has --manta-num-cpu=2"), HasSubstr("did you mean --manta-num-cpus=N?"),
                    HasSubstr("--manta-join=HOST:PORT, --manta-help, which explains them")));
  EXPECT_THAT(refusal({"--manta-hlep"}), HasSubstr("did you mean --manta-help?"));
}

TEST(CommandLine, RefusesWrongValues) {
  EXPECT_THAT(refusal({"--manta-num-cpus"}), HasSubstr("the flag has no value; write --manta-num-cpus=N"));
  EXPECT_THAT(refusal({"--manta-num-cpus="}), HasSubstr("the flag has no value; write --manta-num-cpus=N"));
  EXPECT_THAT(refusal({"--manta-num-cpus=2", "--manta-num-cpus=3"}), HasSubstr("given twice"));
  EXPECT_THAT(refusal({"--manta-help=all"}), HasSubstr("the flag takes no value; write --manta-help"));
}

TEST(CommandLine, AsksForHelp) {
  EXPECT_TRUE(Arguments({"--verbose", "--manta-help"}).line().asks_for_help());
  EXPECT_FALSE(Arguments({"--help"}).line().asks_for_help());
  EXPECT_FALSE(Arguments({"--", "--manta-help"}).line().asks_for_help());
  EXPECT_FALSE(CommandLine().asks_for_help());
}

}  // namespace
}  // namespace manta::settings
