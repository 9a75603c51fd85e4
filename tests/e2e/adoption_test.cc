// Objects whose owner is killed while others hold them.
#include <gtest/gtest.h>

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <manta/manta.h>

#include "tests/e2e/outside.h"

namespace {

using manta::Error;
using manta::ErrorCode;
using manta::Ref;
using Ints = std::vector<int>;
using manta::e2e::outside;

constexpr int kBig = 1'000'000;  // ints: a block of the store
constexpr int kOnHeap = 1'000;   // bytes that the owner has in its own memory

Ints many(int n, int value) { return Ints(static_cast<std::size_t>(n), value); }
long sum(const Ints& values) {
  long total = 0;
  for (const int v : values) total += v;
  return total;
}
[[noreturn]] int throws(int x) { throw std::out_of_range("no " + std::to_string(x)); }
long sum_of_all(const std::vector<Ref<Ints>>& refs) {
  long total = 0;
  for (const auto& ref : refs) total += sum(manta::get(ref));
  return total;
}

// An owner: what its methods return is owned by its process.
struct Owner {
  int process() { return ::getpid(); }
  Ref<Ints> puts(int n, int value) { return manta::put(many(n, value)); }
  Ref<Ints> submits(int n, int value) {
    Ref<Ints> made = manta::remote<many>(n, value);
    std::vector<Ref<Ints>> refs{made};
    (void)manta::wait(refs);
    return made;
  }
  Ref<int> fails(int x) {
    Ref<int> failed = manta::remote<throws>(x);
    std::vector<Ref<int>> refs{failed};
    (void)manta::wait(refs);
    return failed;
  }
  // Only the outermost is known to others.
  Ref<std::vector<Ref<Ints>>> nests(int n, int value) {
    return manta::put(
        std::vector<Ref<Ints>>{manta::put(many(n, value)), manta::put(many(3, value)), submits(n, value)});
  }
  Ref<std::vector<Ref<Ints>>> wraps(const std::vector<Ref<Ints>>& refs) { return manta::put(refs); }
};

struct Keeper {
  std::vector<Ref<Ints>> kept;
  int keep(const std::vector<Ref<Ints>>& refs) {
    kept = refs;
    return ::getpid();
  }
  long total() { return sum_of_all(kept); }
  std::vector<Ref<Ints>> give() { return kept; }
  int drop() {
    kept.clear();
    return 0;
  }
};

class Adoption : public testing::Test {
 protected:
  Adoption() {
    if (::getenv("MANTA_ROLE") == nullptr) outside().clear();
  }
  void kill_owner() {
    ::kill(process_, SIGKILL);
    // The next call fails: by then this process has heard of the death.
    EXPECT_THROW((void)manta::get(owner_.call<&Owner::process>()), Error);
  }
  manta::Actor<Owner> owner_ = manta::actor<Owner>();
  pid_t process_ = manta::get(owner_.call<&Owner::process>());
};

TEST_F(Adoption, WhatTheDeadHadPutIsThere) {
  const auto big = manta::get(owner_.call<&Owner::puts>(kBig, 1));
  const auto middle = manta::get(owner_.call<&Owner::puts>(kOnHeap, 2));
  const auto small = manta::get(owner_.call<&Owner::puts>(2, 3));
  kill_owner();
  EXPECT_EQ(manta::get(big), many(kBig, 1));
  EXPECT_EQ(manta::get(middle), many(kOnHeap, 2));
  EXPECT_EQ(manta::get(small), many(2, 3));
  EXPECT_EQ(manta::get(manta::remote<sum>(big)), kBig) << "as an argument";
}

// The announcement of the death and the question for the value may cross.
TEST_F(Adoption, AskedForAtTheMomentOfTheDeath) {
  const auto big = manta::get(owner_.call<&Owner::puts>(kBig, 1));
  ::kill(process_, SIGKILL);
  EXPECT_EQ(manta::get(big), many(kBig, 1));
}

TEST_F(Adoption, ResultsThatTheDeadHadSubmittedFor) {
  const auto big = manta::get(owner_.call<&Owner::submits>(kBig, 1));
  const auto small = manta::get(owner_.call<&Owner::submits>(2, 1));
  const auto failed = manta::get(owner_.call<&Owner::fails>(7));
  kill_owner();
  EXPECT_EQ(manta::get(big), many(kBig, 1));
  EXPECT_EQ(manta::get(small), many(2, 1));
  try {
    (void)manta::get(failed);
    ADD_FAILURE() << "its task had failed";
  } catch (const manta::TaskError& error) {
    EXPECT_NE(std::string(error.what()).find("no 7"), std::string::npos) << error.what();
  }
}

TEST_F(Adoption, ReferencesInsideReferences) {
  const auto nested = manta::get(owner_.call<&Owner::nests>(kBig, 1));
  const auto ours = manta::put(many(kBig, 2));
  const auto wrapped = manta::get(owner_.call<&Owner::wraps>(std::vector<Ref<Ints>>{ours}));
  kill_owner();
  EXPECT_EQ(manta::get(manta::remote<sum_of_all>(nested)), 2L * kBig + 3) << "the driver has not looked inside";
  const auto inside = manta::get(nested);
  ASSERT_EQ(inside.size(), 3U);
  EXPECT_EQ(manta::get(inside[0]), many(kBig, 1));
  EXPECT_EQ(manta::get(inside[1]), many(3, 1));
  EXPECT_EQ(manta::get(inside[2]), many(kBig, 1));
  EXPECT_EQ(manta::get(manta::get(wrapped).at(0)), many(kBig, 2));
}

TEST_F(Adoption, HeldByAnActorAloneAndGivenOn) {
  const auto keeper = manta::actor<Keeper>();
  {
    auto put = manta::get(owner_.call<&Owner::puts>(kBig, 1));
    auto made = manta::get(owner_.call<&Owner::submits>(kBig, 2));
    (void)manta::get(keeper.call<&Keeper::keep>(std::vector<Ref<Ints>>{put, made}));
  }
  kill_owner();
  EXPECT_EQ(manta::get(keeper.call<&Keeper::total>()), 3L * kBig);
  const auto given = manta::get(keeper.call<&Keeper::give>());
  (void)manta::get(keeper.call<&Keeper::drop>());
  EXPECT_EQ(sum_of_all(given), 3L * kBig) << "the driver holds them now";
  (void)manta::get(keeper.call<&Keeper::keep>(given));
  EXPECT_EQ(manta::get(keeper.call<&Keeper::total>()), 3L * kBig);
}

// One standby owner holds what another one has.
TEST_F(Adoption, OwnersThatDieOneAfterTheOther) {
  const auto inner = manta::get(owner_.call<&Owner::puts>(kBig, 1));
  auto second = manta::actor<Owner>();
  const pid_t process = manta::get(second.call<&Owner::process>());
  auto wrapped = manta::get(second.call<&Owner::wraps>(std::vector<Ref<Ints>>{inner}));
  kill_owner();
  ::kill(process, SIGKILL);
  EXPECT_THROW((void)manta::get(second.call<&Owner::process>()), Error);
  EXPECT_EQ(sum_of_all(manta::get(wrapped)), kBig);
}

int slow(int x) {
  manta::e2e::await_cell(5, 1);
  return x;
}
struct Waits {
  std::pair<Ref<int>, int> starts() { return {manta::remote<slow>(3), ::getpid()}; }
};

TEST_F(Adoption, WhatIsNotThereYetIsLost) {
  const auto waits = manta::actor<Waits>();
  const auto [pending, process] = manta::get(waits.call<&Waits::starts>());
  ::kill(process, SIGKILL);
  try {
    (void)manta::get(pending);
    ADD_FAILURE() << "no process could have it";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::object_lost);
    EXPECT_NE(std::string(error.what()).find("was killed by signal 9 (SIGKILL)"), std::string::npos) << error.what();
  }
  outside()[5] = 1;
}

// --- memory

std::string comm_of(const std::string& process) {
  std::string name;
  std::getline(std::ifstream("/proc/" + process + "/comm"), name);
  return name;
}
// The node process of this driver: below a guard, which is its child.
std::string node_process() {
  const auto children = [](const std::string& process) {
    std::vector<std::string> all;
    for (const auto& thread : std::filesystem::directory_iterator("/proc/" + process + "/task")) {
      std::ifstream file(thread.path() / "children");
      for (std::string child; file >> child;) all.push_back(child);
    }
    return all;
  };
  for (const auto& child : children(std::to_string(::getpid()))) {
    if (comm_of(child) == "manta-node") return child;
    for (const auto& below : children(child)) {
      if (comm_of(below) == "manta-node") return below;
    }
  }
  return {};
}
std::uint64_t arena_bytes(const std::string& node) {
  std::uint64_t blocks = 0;
  for (const auto& fd : std::filesystem::directory_iterator("/proc/" + node + "/fd")) {
    std::error_code error;
    const auto target = std::filesystem::read_symlink(fd.path(), error);
    if (error || target.string().find("manta-arena") == std::string::npos) continue;
    struct stat status = {};
    if (::stat(fd.path().c_str(), &status) == 0) blocks += static_cast<std::uint64_t>(status.st_blocks);
  }
  return blocks * 512;
}

TEST_F(Adoption, TheMemoryGoesWithTheLastReference) {
  const std::string node = node_process();
  ASSERT_FALSE(node.empty());
  const auto keeper = manta::actor<Keeper>();
  (void)manta::get(keeper.call<&Keeper::drop>());
  const std::uint64_t before = arena_bytes(node);
  auto big = manta::get(owner_.call<&Owner::puts>(10 * kBig, 1));
  auto nested = manta::get(owner_.call<&Owner::wraps>(std::vector<Ref<Ints>>{big}));
  (void)manta::get(keeper.call<&Keeper::keep>(std::vector<Ref<Ints>>{big}));
  kill_owner();
  big = {};
  nested = {};
  EXPECT_EQ(manta::get(keeper.call<&Keeper::total>()), 10L * kBig);
  EXPECT_GE(arena_bytes(node), before + 30'000'000) << "the actor holds it";
  (void)manta::get(keeper.call<&Keeper::drop>());
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(5) * manta::e2e::slowness();
  while (arena_bytes(node) >= before + 30'000'000 && std::chrono::steady_clock::now() < limit) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_LT(arena_bytes(node), before + 30'000'000) << "the node keeps what no reference is left to";
}

}  // namespace
