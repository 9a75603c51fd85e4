#include "core/settings/read.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <optional>
#include <string>

#include <manta/detail/setting.h>
#include <manta/error.h>

#include "core/base/log.h"
#include "core/settings/environment.h"
#include "core/settings/log_level.h"

namespace manta::settings {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Sets a variable, and puts back what it was.
class With {
 public:
  With(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    value != nullptr ? ::setenv(name, value, 1) : ::unsetenv(name);
  }
  ~With() { old_ ? ::setenv(name_, old_->c_str(), 1) : ::unsetenv(name_); }
  With(const With&) = delete;
  With& operator=(const With&) = delete;

 private:
  const char* name_;
  std::optional<std::string> old_;
};

std::string refusal(const std::function<void()>& read) {
  try {
    read();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.message();
  }
  return "accepted";
}

TEST(Read, NumbersInTheirRange) {
  const auto of = [](const char* value) {
    const With variable("MANTA_MEMORY_THRESHOLD", value);
    return number("MANTA_MEMORY_THRESHOLD");
  };
  EXPECT_EQ(of(nullptr), std::nullopt);
  EXPECT_EQ(of(""), std::nullopt);
  EXPECT_EQ(of("0"), 0);
  EXPECT_EQ(of("0.25"), 0.25);
  EXPECT_EQ(of("1"), 1);
  for (const std::string wrong : {"1.5", "-1", "half", "1x", "nan", "inf", " "}) {
    EXPECT_EQ(refusal([&] { of(wrong.c_str()); }),
              "MANTA_MEMORY_THRESHOLD is \"" + wrong + "\", but must be a number from 0 to 1");
  }
}

TEST(Read, TheDefaultOfTheTable) {
  const With threshold("MANTA_MEMORY_THRESHOLD", nullptr), none("MANTA_SPIN_US", nullptr);
  EXPECT_EQ(number_or_default("MANTA_MEMORY_THRESHOLD"), 0.95);
  EXPECT_EQ(number_or_default("MANTA_SPIN_US"), 50);
  const With spin("MANTA_SPIN_US", "7.5");
  EXPECT_EQ(number_or_default("MANTA_SPIN_US"), 7.5);
}

TEST(Read, WholeNumbers) {
  const auto of = [](const char* value) {
    const With variable("MANTA_DDP_CHECK_EVERY", value);
    return detail::whole_setting("MANTA_DDP_CHECK_EVERY");
  };
  EXPECT_EQ(of(nullptr), std::nullopt);
  EXPECT_EQ(of(""), std::nullopt);
  EXPECT_EQ(of("0"), 0);
  EXPECT_EQ(of("100"), 100);
  for (const std::string wrong : {"1.5", "-1", "often", "3 ", "99999999999999999999"}) {
    EXPECT_EQ(refusal([&] { of(wrong.c_str()); }),
              "MANTA_DDP_CHECK_EVERY is \"" + wrong + "\", but must be a whole number of at least 0");
  }
}

TEST(Read, Choices) {
  const auto of = [](const char* value) {
    const With variable("MANTA_ZYGOTE", value);
    return std::string(choice("MANTA_ZYGOTE"));
  };
  EXPECT_EQ(of(nullptr), "");
  EXPECT_EQ(of(""), "");
  EXPECT_EQ(of("exec"), "exec");
  EXPECT_EQ(refusal([&] { of("spoon"); }), "MANTA_ZYGOTE is \"spoon\", but must be \"fork\" or \"exec\"");
  EXPECT_EQ(refusal([&] { of("exe"); }), "MANTA_ZYGOTE is \"exe\", but must be \"fork\" or \"exec\"");
}

TEST(Read, Texts) {
  const With unset("MANTA_TIMELINE", nullptr);
  EXPECT_EQ(text("MANTA_TIMELINE"), "");
  const With set("MANTA_TIMELINE", "a file");
  EXPECT_EQ(text("MANTA_TIMELINE"), "a file");
  EXPECT_EQ(detail::text_setting("MANTA_TIMELINE"), "a file");
}

TEST(Read, ForeignVariablesAsTheyAre) {
  const With unset("CUDA_VISIBLE_DEVICES", nullptr);
  EXPECT_EQ(foreign("CUDA_VISIBLE_DEVICES"), nullptr);
  const With empty("CUDA_VISIBLE_DEVICES", "");
  EXPECT_STREQ(foreign("CUDA_VISIBLE_DEVICES"), "");
}

TEST(Read, AFlagBeforeTheVariable) {
  std::string program = "program", flag = "--manta-num-cpus=2.5", address = "--manta-listen=here:1";
  char* argv[] = {program.data(), flag.data(), address.data(), nullptr};
  const CommandLine flags(3, argv);
  const With cpus("MANTA_NUM_CPUS", "many"), gpus("MANTA_NUM_GPUS", "4"), listen("MANTA_LISTEN", "there:1");
  EXPECT_EQ(number("MANTA_NUM_CPUS", flags), 2.5);
  EXPECT_EQ(number("MANTA_NUM_GPUS", flags), 4);
  EXPECT_EQ(text("MANTA_LISTEN", flags), "here:1");
  EXPECT_EQ(refusal([&] { number("MANTA_NUM_CPUS"); }),
            "MANTA_NUM_CPUS is \"many\", but must be a number of at least 0");
  flag = "--manta-num-cpus=two";
  argv[1] = flag.data();
  EXPECT_EQ(refusal([&] { number("MANTA_NUM_CPUS", flags); }),
            "--manta-num-cpus is \"two\", but must be a number of at least 0");
}

TEST(Read, OfLibrariesRefusesWhatTheTableLacks) {
  for (const char* variable : {"MANTA_NO_SUCH", "MANTA_NUM_CPUS"}) {
    try {
      (void)detail::text_setting(variable);
      ADD_FAILURE() << variable;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::internal);
      EXPECT_THAT(error.message(), HasSubstr(variable));
    }
  }
}

TEST(Read, TheLevelOfTheLog) {
  const auto level = [] { return log::detail::least.load(); };
  const auto before = level();
  {
    const With variable("MANTA_LOG", "debug");
    read_log_level();
    EXPECT_EQ(level(), log::Level::debug);
  }
  {
    const With variable("MANTA_LOG", "loud");
    EXPECT_EQ(refusal([] { read_log_level(); }),
              "MANTA_LOG is \"loud\", but must be trace, debug, info, warn, error or off");
    EXPECT_EQ(level(), log::Level::debug);
    read_log_level_or_warn();
    EXPECT_EQ(level(), log::Level::warn);
  }
  log::set_least(before);
}

TEST(Environment, IsCheckedWhereNothingElseStandsIn) {
  EXPECT_EQ(refusal([] { check_environment(); }), "accepted");
  int checked = 0;
  for (const Setting& setting : kTable) {
    const bool parsed = setting.type != Type::text && setting.type != Type::foreign;
    const bool alone = setting.flag.empty() && setting.option.empty();
    const With variable(setting.variable.data(), "nonsense");
    const std::string expected = std::string(setting.variable) + " is \"nonsense\", but must be ";
    EXPECT_EQ(refusal([] { check_environment(); }),
              parsed && alone ? expected + std::string(setting.allowed) : "accepted");
    checked += parsed && alone ? 1 : 0;
  }
  EXPECT_GE(checked, 5);
}

TEST(Environment, NamesWhatIsMisspelt) {
  const auto sentences = [](const char* variable) {
    const With wrong(variable, "x");
    return misspelt_variables();
  };
  EXPECT_THAT(sentences("MANTA_SPLIL_DIR"),
              ElementsAre("the environment has MANTA_SPLIL_DIR, which is not a setting; did you mean MANTA_SPILL_DIR? "
                          "--manta-help lists all settings"));
  EXPECT_THAT(sentences("MANTA_NUMCPUS"), ElementsAre(HasSubstr("did you mean MANTA_NUM_CPUS?")));
  EXPECT_THAT(sentences("MANTA_LOGS"), ElementsAre(HasSubstr("did you mean MANTA_LOG?")));
  for (const char* others :
       {"MANTA_DEPS_DIR", "MANTA_TEST_A", "MANTA_TEST_SESSION", "MANTA_PLUGIN_1", "MANTA_SEED", "MANTA_UPDATE",
        "MANTA_WORKERS", "MANTA_", "MANTA_ROLE", "MANTA_SPILL_DIR", "XMANTA_LOGS"}) {
    EXPECT_THAT(sentences(others), IsEmpty()) << others;
  }
}

TEST(Environment, IsChangedForProcessesThatAreStarted) {
  const With variable("MANTA_TEST_A", nullptr);
  set_variable("MANTA_TEST_A", "1");
  EXPECT_STREQ(std::getenv("MANTA_TEST_A"), "1");
  std::vector<std::string> all;
  for (char** each = variables(); *each != nullptr; ++each) all.emplace_back(*each);
  EXPECT_THAT(all, ::testing::Contains("MANTA_TEST_A=1"));
  remove_variable("MANTA_TEST_A");
  EXPECT_EQ(std::getenv("MANTA_TEST_A"), nullptr);
}

}  // namespace
}  // namespace manta::settings
