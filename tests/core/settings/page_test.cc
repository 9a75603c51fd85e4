// settings_test           compares core/SETTINGS.md with the table
// settings_test --update  writes the page
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include "core/settings/help.h"
#include "core/settings/table.h"
#include "tests/core/settings/page.h"

namespace manta::settings {
namespace {

using ::testing::HasSubstr;

std::string content_of(const char* path) {
  std::ifstream file(path);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

TEST(Page, IsWhatTheTableSays) {
  const std::string page = content_of(SETTINGS_PAGE);
  ASSERT_NE(with_tables(page), "") << SETTINGS_PAGE << " lacks the marks around the generated part";
  EXPECT_EQ(page, with_tables(page)) << "core/SETTINGS.md is stale; run settings_test --update";
}

TEST(Page, KeepsWhatIsWrittenByHand) {
  const std::string page =
      "before\n<!-- Generated from the table -->\nstale\n<!-- End of what is generated. -->\nafter\n";
  const std::string made = with_tables(page);
  EXPECT_EQ(made,
            "before\n<!-- Generated from the table -->\n" + tables() + "<!-- End of what is generated. -->\nafter\n");
  EXPECT_EQ(with_tables("no marks"), "");
}

TEST(Page, AndHelpNameEachSetting) {
  const std::string page = tables(), text = help();
  for (const Setting& setting : kTable) {
    EXPECT_THAT(page, HasSubstr("`" + std::string(setting.variable) + "="));
    EXPECT_THAT(text, HasSubstr("  " +
                                (setting.flag.empty() ? ""
                                                      : "--manta-" + std::string(setting.flag) + "=" +
                                                            std::string(setting.value) + ", ") +
                                std::string(setting.variable) + "=" + std::string(setting.value)));
  }
  EXPECT_THAT(text, HasSubstr("  --manta-num-cpus=N, MANTA_NUM_CPUS=N, InitOptions::num_cpus\n"
                              "      CPUs that this node offers\n"
                              "      allowed: a number of at least 0\n"
                              "      default: those that the process may run on"));
}

int update() {
  const std::string page = with_tables(content_of(SETTINGS_PAGE));
  if (page.empty()) {
    std::fprintf(stderr, "%s lacks the marks around the generated part\n", SETTINGS_PAGE);
    return 1;
  }
  std::ofstream file(SETTINGS_PAGE);
  file << page << std::flush;
  return file.good() ? 0 : 1;
}

}  // namespace
}  // namespace manta::settings

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--update") return manta::settings::update();
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
