#include "tests/support/waits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <future>
#include <regex>
#include <thread>

#include "tests/e2e/program_run.h"

namespace manta::e2e {

namespace {

const std::string kPrefix = "--program=";
std::optional<Runtime> running;

std::ptrdiff_t count_of(const std::string& text, const std::string& pattern) {
  const std::regex regex(pattern);
  return std::distance(std::sregex_iterator(text.begin(), text.end(), regex), std::sregex_iterator());
}

}  // namespace

int Holder::stays() {
  for (;;) ::pause();
}

void say(const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); }
void say_over(const std::string& text) { say("over: " + text); }

void run_held_up(const Actor<Holder>& holder, const std::function<void()>& waits) {
  std::jthread ends([stays = holder.call<&Holder::stays>(), holder] {
    (void)try_get(stays, kWaitDeadline);
    say_over("the holder ends");
    kill(holder);
  });
  waits();
  say("done");
}

Runtime& row_runtime() { return running.value(); }

std::optional<int> run_wait_row(int argc, char** argv, const std::vector<WaitRow>& rows) {
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], kPrefix.c_str(), kPrefix.size()) != 0) continue;
    for (const WaitRow& row : rows) {
      if (row.name != argv[i] + kPrefix.size()) continue;
      if (row.before && std::getenv("MANTA_ROLE") == nullptr) row.before();
      try {
        running.emplace(init(argc, argv, row.options));
      } catch (const Error& error) {
        say(std::string("init: ") + error.what());
        return 1;
      }
      row.run();
      running->shutdown();
      return 0;
    }
    return 2;
  }
  return std::nullopt;
}

void expect_lines(const std::vector<WaitRow>& rows) {
  std::vector<std::future<ProgramRun>> runs;
  for (const WaitRow& row : rows) {
    runs.push_back(std::async(std::launch::async, [&row] { return run_program({kPrefix + row.name}); }));
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const WaitRow& row = rows[i];
    SCOPED_TRACE(row.name);
    const ProgramRun run = runs[i].get();
    EXPECT_TRUE(run.in_time);
    EXPECT_EQ(run.status, 0);
    const std::size_t over = run.err.find("over: ");
    ASSERT_NE(over, std::string::npos) << run.err;
    const std::string line = run.err.substr(0, over), deadline = run.err.substr(over);
    EXPECT_THAT(line, ::testing::ContainsRegex(row.line)) << run.err;
    EXPECT_EQ(count_of(line, " waits: | more wait: "), 1) << line;
    if (!row.in_deadline) continue;
    const std::regex first(" and [0-9]+ more wait: the first "), many(" and [0-9]+ more wait: ");
    const std::string one = std::regex_replace(std::regex_replace(row.line, first, " waits: it "), many, " waits: ");
    EXPECT_THAT(deadline, ::testing::ContainsRegex(one));
  }
}

}  // namespace manta::e2e
