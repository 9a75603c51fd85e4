// TaskOptions::env: which worker sees which variables.
#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>
#include <string>
#include <utility>

#include <manta/manta.h>
#include <manta/testing.h>

#include "tests/e2e/outside.h"

namespace {

using Seen = std::pair<std::string, int>;  // the variable, and the process

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "none";
}
Seen look(int) { return {variable("MANTA_TEST_A") + " " + variable("MANTA_TEST_B"), ::getpid()}; }
std::string look_below(int) {
  const auto plain = manta::remote<look>(1);
  const auto again = manta::remote<look>.options({.env = {{{"MANTA_TEST_A", "inner"}}}})(1);
  return manta::get(plain).first + ", " + manta::get(again).first;
}
struct Eye {
  explicit Eye(int) : at_birth(variable("MANTA_TEST_A")) {}
  std::string see(int) { return at_birth + " " + variable("MANTA_TEST_A"); }
  std::string at_birth;
};

template <class F>
std::string refusal(F call) {
  try {
    call();
  } catch (const manta::Error& error) {
    EXPECT_EQ(error.code(), manta::ErrorCode::invalid_argument);
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST(Environment, IsThatOfTheTaskAlone) {
  const Seen own = get(manta::remote<look>.options({.env = {{{"MANTA_TEST_B", "2"}, {"MANTA_TEST_A", "x=y z"}}}})(1));
  EXPECT_EQ(own.first, "x=y z 2");
  const Seen plain = get(manta::remote<look>(1));
  EXPECT_EQ(plain.first, "none none");
  EXPECT_NE(plain.second, own.second);
}

TEST(Environment, OfAnyPermittedSizeTogether) {
  for (const std::size_t size : {1990, 2030, 2100, 4096}) {
    const std::string a(size, 'a'), b(size, 'b');
    const Seen seen = get(manta::remote<look>.options({.env = {{{"MANTA_TEST_A", a}, {"MANTA_TEST_B", b}}}})(1));
    EXPECT_TRUE(seen.first == a + " " + b) << size;
  }
}

TEST(Environment, SharesAWorkerWithTheSameVariablesOnly) {
  const Seen first = get(manta::remote<look>.options({.env = {{{"MANTA_TEST_A", "1"}, {"MANTA_TEST_B", "2"}}}})(1));
  const Seen same = get(manta::remote<look>.options({.env = {{{"MANTA_TEST_B", "2"}, {"MANTA_TEST_A", "1"}}}})(1));
  const Seen other = get(manta::remote<look>.options({.env = {{{"MANTA_TEST_A", "1"}}}})(1));
  EXPECT_EQ(first, same) << "the order does not matter";
  EXPECT_EQ(other.first, "1 none");
  EXPECT_NE(other.second, first.second);
}

TEST(Environment, IsNotInheritedByTasksBelow) {
  EXPECT_EQ(get(manta::remote<look_below>.options({.env = {{{"MANTA_TEST_A", "outer"}}}})(1)), "none none, inner none");
}

TEST(Environment, OfAnActorIsThereFromItsConstructorOn) {
  const auto eye = manta::actor<Eye>.options({.env = {{{"MANTA_TEST_A", "eye"}}}})(1);
  EXPECT_EQ(get(eye.call<&Eye::see>(1)), "eye eye");
}

TEST(Environment, ThatMakesNoSenseIsRefused) {
  const auto with = [](std::string_view name, std::string_view value) {
    return refusal([&] { (void)manta::remote<look>.options({.env = {{{name, value}}}})(1); });
  };
  EXPECT_NE(with("A=B", "1").find("TaskOptions::env[0] is named \"A=B\""), std::string::npos);
  EXPECT_NE(with("", "1").find("has a value but no name"), std::string::npos);
  EXPECT_NE(with("A", std::string(5000, 'x')).find("too long"), std::string::npos);
  EXPECT_NE(with("CUDA_VISIBLE_DEVICES", "0").find("num_gpus"), std::string::npos);
  EXPECT_NE(refusal([] {
              (void)manta::remote<look>.options({.env = {{{"A", "1"}, {"A", "2"}}}})(1);
            }).find("twice"),
            std::string::npos);
}
