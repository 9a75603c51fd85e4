#include "rl/log/progress_table.h"

#include <pty.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include <gtest/gtest.h>

namespace {

using manta::rl::detail::ProgressTable;

ProgressTable::Clock::time_point now_in_test;
ProgressTable::Clock::time_point test_clock() { return now_in_test; }

const manta::report::Metrics kMetrics{
    {"charts/SPS", 5},    {"rollout/ep_len_mean", 61.75}, {"rollout/ep_rew_mean", 61.75},
    {"time/fps", 2107.6}, {"time/total_timesteps", 8192}, {"train/loss", 0.012345}};

TEST(ProgressTable, IsALineEveryFiveSecondsWhereThereIsNoTerminal) {
  std::FILE* file = std::tmpfile();
  ProgressTable table(500'000, file, &test_clock);
  table.show(kMetrics);
  now_in_test += std::chrono::seconds(4);
  table.show(kMetrics);
  now_in_test += std::chrono::seconds(1);
  table.show(kMetrics);
  table.show(kMetrics, true);
  std::rewind(file);
  const std::string line = "8192/500000 steps  ep_rew_mean 61.75  ep_len_mean 61.75  2108 steps/s\n";
  std::string text(2000, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  EXPECT_EQ(text, line + line + line);
  std::fclose(file);
}

TEST(ProgressTable, IsRewrittenInPlaceOnATerminal) {
  int master = -1, slave = -1;
  ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  std::FILE* terminal = ::fdopen(slave, "w");
  ProgressTable table(500'000, terminal, &test_clock);
  table.show(kMetrics);
  now_in_test += std::chrono::milliseconds(50);
  table.show(kMetrics);
  now_in_test += std::chrono::milliseconds(50);
  table.show(kMetrics);
  std::string text;
  char part[4096];
  std::fclose(terminal);  // what was written stays to be read, and then there is an error
  for (ssize_t got; (got = ::read(master, part, sizeof part)) > 0;) text.append(part, static_cast<std::size_t>(got));
  EXPECT_NE(text.find("|    ep_len_mean     | 61.75 "), std::string::npos) << text;
  EXPECT_NE(text.find("|    total_timesteps | 8192 "), std::string::npos) << text;
  EXPECT_EQ(text.find("SPS"), std::string::npos) << text;
  EXPECT_NE(text.find("\033[10A-"), std::string::npos) << "back to the first of ten lines: " << text;
  EXPECT_EQ(text.find("\033[10A"), text.rfind("\033[10A")) << "rewritten once: " << text;
  ::close(master);
}

}  // namespace
