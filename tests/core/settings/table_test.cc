// What holds for each row of the table.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>

#include "core/base/log.h"
#include "core/settings/table.h"

namespace manta::settings {
namespace {

using ::testing::HasSubstr;

TEST(Table, HasEachNameOnceAndGroupsTogether) {
  std::set<std::string_view> variables, flags;
  std::set<Group> groups;
  for (std::size_t i = 0; i < kTable.size(); ++i) {
    EXPECT_TRUE(variables.insert(kTable[i].variable).second) << kTable[i].variable;
    EXPECT_TRUE(kTable[i].flag.empty() || flags.insert(kTable[i].flag).second) << kTable[i].flag;
    const bool begins = i == 0 || kTable[i - 1].group != kTable[i].group;
    EXPECT_TRUE(!begins || groups.insert(kTable[i].group).second) << kTable[i].variable;
  }
}

TEST(Table, NamesItsVariablesByTheirOwner) {
  for (const Setting& setting : kTable) {
    EXPECT_EQ(setting.variable.starts_with("MANTA_"), setting.type != Type::foreign) << setting.variable;
    EXPECT_EQ(setting.group == Group::foreign, setting.type == Type::foreign) << setting.variable;
  }
}

TEST(Table, FillsEachRow) {
  for (const Setting& setting : kTable) {
    for (const std::string_view text : {setting.value, setting.meaning, setting.unless_given}) {
      EXPECT_FALSE(text.empty()) << setting.variable;
      EXPECT_EQ(text.find('|'), std::string_view::npos) << "it ends a column of the page: " << text;
    }
    const bool any = setting.type == Type::text || setting.type == Type::foreign;
    EXPECT_EQ(setting.allowed.empty(), any) << setting.variable;
    EXPECT_LE(setting.least, setting.most) << setting.variable;
  }
}

TEST(Table, SaysWhichChoicesAreAllowed) {
  for (const Setting& setting : kTable) {
    EXPECT_EQ(setting.choices[0].empty(), setting.type != Type::choice) << setting.variable;
    for (const std::string_view choice : setting.choices) {
      EXPECT_THAT(std::string(setting.allowed), HasSubstr(std::string(choice)));
    }
  }
}

TEST(Table, HasTheLevelsOfTheLog) {
  std::size_t levels = 0;
  for (const std::string_view choice : find("MANTA_LOG")->choices) {
    const auto level = log::level_named(choice);
    ASSERT_TRUE(level) << choice;
    EXPECT_EQ(static_cast<std::size_t>(*level), levels++);
  }
  EXPECT_EQ(levels, static_cast<std::size_t>(log::Level::off) + 1);
}

}  // namespace
}  // namespace manta::settings
