// A node whose workers use more than they may: the right one is ended, and says why.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include <manta/manta.h>
#include <manta/testing.h>

#include "tests/e2e/outside.h"

namespace {

using manta::Error;
using manta::ErrorCode;
using manta::e2e::await_cell;
using manta::e2e::outside;

constexpr std::size_t kStarts = 0, kOpen = 1, kHolding = 2;
constexpr std::size_t kMiB = 1 << 20;

// Takes so much, and keeps it until the test ends it.
int takes(int mib) {
  ++outside()[kStarts];
  std::vector<char> memory(static_cast<std::size_t>(mib) * kMiB, 1);
  while (outside()[kOpen] == 0) ::usleep(1000);
  return memory[memory.size() / 2];
}
int waits() {
  ++outside()[kHolding];
  while (outside()[kOpen] == 0) ::usleep(1000);
  return 7;
}
// Only its first execution is greedy.
int greedy_once(int mib) { return ++outside()[kHolding] == 1 ? takes(mib) : 5; }

class Keeper {
 public:
  explicit Keeper(int mib) : memory_(static_cast<std::size_t>(mib) * kMiB, 1) {}
  int process() const { return static_cast<int>(::getpid()); }

 private:
  std::vector<char> memory_;
};

class Memory : public testing::Test {
 protected:
  void SetUp() override { outside().clear(); }
};

TEST_F(Memory, TheGreedyTaskIsEndedAndSaysWhy) {
  const auto small = manta::remote<waits>();
  ASSERT_TRUE(await_cell(kHolding, 1));
  try {
    (void)manta::get(manta::remote<takes>.options({.max_retries = 1})(1200));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::worker_died);
    const std::string why = error.what();
    EXPECT_NE(why.find("memory ran short: it used "), std::string::npos) << why;
    EXPECT_NE(why.find("TaskOptions::memory_bytes"), std::string::npos) << why;
  }
  EXPECT_EQ(outside()[kStarts], 2);
  outside()[kOpen] = 1;
  EXPECT_EQ(manta::get(small), 7);
}

TEST_F(Memory, ARetrySucceeds) { EXPECT_EQ(manta::get(manta::remote<greedy_once>(1200)), 5); }

TEST_F(Memory, TasksBeforeActors) {
  const auto keeper = manta::actor<Keeper>(400);
  const int process = manta::get(keeper.call<&Keeper::process>());
  EXPECT_THROW((void)manta::get(manta::remote<takes>.options({.max_retries = 0})(700)), Error);
  EXPECT_EQ(manta::get(keeper.call<&Keeper::process>()), process);
}

}  // namespace

int main(int argc, char** argv) {
  ::setenv("MANTA_MEMORY_LIMIT", "1000000000", 1);
  manta::e2e::prepare_outside();
  return manta::testing::main(argc, argv, {.num_cpus = 2, .num_gpus = 0});
}
