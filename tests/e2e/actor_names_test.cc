// Actors found by their names while their last handles are released: a handle that was had is one of a live actor.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include <manta/manta.h>

#include "tests/e2e/outside.h"

namespace manta::e2e {
namespace {

using namespace std::chrono_literals;

struct Greeter {
  int greet() { return 1; }
};

constexpr int kRounds = 60;

// The first error, or "".
std::string creates_calls_drops(const std::string& name) {
  for (int i = 0; i < kRounds; ++i) {
    try {
      auto greeter = actor<Greeter>.options({.name = name, .get_if_exists = true})();
      if (get(greeter.call<&Greeter::greet>(), 20s) != 1) return "a wrong value";
    } catch (const Error& error) {
      return "round " + std::to_string(i) + ": " + error.what();
    }
  }
  return "";
}

std::string finds_calls_drops(const std::string& name) {
  for (int i = 0; i < 5 * kRounds; ++i) {
    try {
      auto greeter = find_actor<Greeter>(name);
      if (greeter && get(greeter->call<&Greeter::greet>(), 20s) != 1) return "a wrong value";
    } catch (const Error& error) {
      return "round " + std::to_string(i) + ": " + error.what();
    }
  }
  return "";
}

TEST(ActorNames, CreateOrGetCallAndDropInFourTasks) {
  std::vector<Ref<std::string>> refs;
  for (int i = 0; i < 4; ++i) refs.push_back(remote<creates_calls_drops>("contended"));
  for (auto& ref : refs) EXPECT_EQ(get(ref, 60s), "");
  EXPECT_FALSE(find_actor<Greeter>("contended"));
}

TEST(ActorNames, FindWhileOthersCreateAndDrop) {
  std::vector<Ref<std::string>> refs;
  for (int i = 0; i < 2; ++i) {
    refs.push_back(remote<creates_calls_drops>.options({.num_cpus = 0.5})("sought"));
    refs.push_back(remote<finds_calls_drops>.options({.num_cpus = 0.5})("sought"));
  }
  EXPECT_EQ(creates_calls_drops("sought"), "") << "in the driver";
  for (auto& ref : refs) EXPECT_EQ(get(ref, 60s), "");
}

}  // namespace
}  // namespace manta::e2e
