// Texts of crashes: what addr2line prints, which frames are shown, and the last line on stderr.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>

#include "core/node/crash_stacks.h"
#include "core/node/outputs.h"

namespace manta::node {
namespace {

TEST(CrashStacks, ReadsAddr2Line) {
  const auto places = read_places(
      "0x0000000000001149\ninner(int)\n/src/app/model.cc:12\nouter\n/src/app/model.cc:30 (discriminator 3)\n"
      "0x0000000000001160\n??\n??:0\n0x0000000000001170\nmain\n??:?\n");
  ASSERT_EQ(places.size(), 3U);
  ASSERT_EQ(places[0].size(), 2U);
  EXPECT_EQ(places[0][0].function, "inner(int)");
  EXPECT_EQ(places[0][0].where, "model.cc:12");
  EXPECT_EQ(places[0][1].function, "outer");
  EXPECT_EQ(places[0][1].where, "model.cc:30");
  EXPECT_EQ(places[1][0].function, "");
  EXPECT_EQ(places[1][0].where, "");
  EXPECT_EQ(places[2][0].function, "main");
  EXPECT_TRUE(read_places("").empty());
  EXPECT_TRUE(read_places("no address\n").empty());
}

TEST(CrashStacks, EndsBeforeWhatCallsTheTask) {
  EXPECT_EQ(stack_text({{"inner(int)", "model.cc:12"},
                        {"void manta::detail::encode_result<x>(y)", "function.h:3"},
                        {"manta::worker::Executor::loop()", "executor.cc:3"}},
                       false),
            "\n    at inner(int) (model.cc:12)");
  EXPECT_EQ(stack_text({{"", "libx.so+0x12"}}, false), "\n    at ?? (libx.so+0x12)");
  EXPECT_EQ(stack_text({}, true), "");
}

TEST(CrashStacks, AnAbortBeginsWithWhatCalledIt) {
  EXPECT_EQ(stack_text({{"__pthread_kill_implementation", "libc.so.6"},
                        {"abort", "libc.so.6"},
                        {"", "libstdc++.so.6+0x1"},
                        {"std::terminate()", "libstdc++.so.6"},
                        {"gives_up()", "model.cc:5"},
                        {"abort", "own.cc:1"}},
                       true),
            "\n    at gives_up() (model.cc:5)\n    at abort (own.cc:1)");
}

TEST(CrashStacks, AreBounded) {
  const std::vector<CodePlace> deep(100, {std::string(1000, 'f'), "a.cc:1"});
  const std::string text = stack_text(deep, false);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 20);
  EXPECT_LT(text.size(), 5000U);
}

TEST(CrashStacks, ADamagedRecordIsReadWithinItsBounds) {
  const auto record = std::make_unique<net::CrashRecord>();
  record->frame_count = 0xffffffff;
  record->module_count = 0xffffffff;
  std::memset(record->modules, 3, sizeof record->modules);
  record->module_names[3] = 0xffffffff;
  const net::CrashStack stack = net::CrashStack::of(*record);
  EXPECT_EQ(stack.frames.size(), net::CrashRecord::kFrames);
  EXPECT_EQ(stack.frames[0].module, "");
  record->module_names[3] = net::CrashRecord::kNameBytes - 2;
  std::memset(record->names, 'x', sizeof record->names);
  EXPECT_EQ(net::CrashStack::of(*record).frames[0].module, "xx");
}

TEST(LastLine, IsTheLastThatIsNotBlank) {
  EXPECT_EQ(last_line_of(""), "");
  EXPECT_EQ(last_line_of("one\ntwo\n\n  \n"), "two");
  EXPECT_EQ(last_line_of("a.cc:7: int f(): Assertion `x > 0' failed.\n"), "a.cc:7: int f(): Assertion `x > 0' failed.");
  EXPECT_EQ(last_line_of("x\nterminate called after throwing an instance of 'E'\n  what():  no such fold\n"),
            "terminate called after throwing an instance of 'E', what():  no such fold");
  EXPECT_EQ(last_line_of(std::string(1000, 'x')).size(), 300U);
}

}  // namespace
}  // namespace manta::node
