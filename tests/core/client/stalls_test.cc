#include "core/client/stalls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "tests/core/client/fake_process.h"

namespace manta::client {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class StallTest : public FakeProcess, protected StallContext {
 protected:
  StallTest() : stalls_(state, node, results, *this) {}
  std::string not_spilled() const override { return "the disk is full"; }

  owner::Entry* submit_named(std::uint64_t n) {
    owner::NewTask made = task(n);
    made.name = "fold";
    return submit(std::move(made));
  }
  bool look(milliseconds at) {
    return locked([&] { return stalls_.look(Stalls::Clock::time_point(std::chrono::hours(1) + at)); });
  }
  // The node answers each question at once.
  void answer_with(net::Waits answer) {
    node.on_send = [this, answer](const net::ClientMessage& message) mutable {
      answer.request = std::get<net::WhyWaits>(message).request;
      stalls_.answered(answer);
    };
  }
  std::string line_for(net::Waits answer) {
    ::testing::internal::CaptureStderr();
    stalls_.answered(answer);
    return ::testing::internal::GetCapturedStderr();
  }
  static net::Waits lacks(const std::string& what) {
    net::Waits answer;
    answer.line = true;
    answer.what = what;
    return answer;
  }

  Stalls stalls_;
};

TEST_F(StallTest, TheNodeIsAskedAboutWhatIsUnmetForLong) {
  EXPECT_FALSE(look(milliseconds(0)));
  submit_named(1);
  submit_named(2);
  EXPECT_TRUE(look(milliseconds(10))) << "a moment after the last look";
  EXPECT_TRUE(look(milliseconds(100)));
  EXPECT_THAT(node.sent<net::WhyWaits>(), IsEmpty());
  EXPECT_TRUE(look(milliseconds(2200)));
  const auto asked = node.sent<net::WhyWaits>();
  ASSERT_THAT(asked, SizeIs(1));
  EXPECT_TRUE(asked[0].line);
  EXPECT_EQ(asked[0].shape, shape);
  EXPECT_EQ(asked[0].label, "task fold");
  EXPECT_EQ(asked[0].space_bytes, 0U);
  net::Waits answer = lacks("asks for CPU: 1, and the node has 2 in use");
  answer.request = asked[0].request;
  answer.advice = "start more nodes";
  EXPECT_THAT(line_for(answer), HasSubstr("task fold and 1 more wait: the first asks for CPU: 1, and the node has 2 in "
                                          "use; start more nodes"));
  EXPECT_EQ(line_for(answer), "") << "once";
}

TEST_F(StallTest, WhatIsMetIsNotAskedAbout) {
  owner::Entry* entry = submit_named(1);
  EXPECT_TRUE(look(milliseconds(0)));
  finish(*entry);
  EXPECT_FALSE(look(milliseconds(2200)));
  EXPECT_THAT(node.sent<net::WhyWaits>(), IsEmpty());
}

TEST_F(StallTest, ALineThatAnotherProcessHasWrittenIsNotRepeated) {
  submit_named(1);
  look(milliseconds(0));
  look(milliseconds(2200));
  net::Waits answer = lacks("asks for CPU: 1");
  answer.request = node.sent<net::WhyWaits>().at(0).request;
  answer.line = false;
  EXPECT_EQ(line_for(answer), "");
}

TEST_F(StallTest, AnAllocationThatWaitsIsSaidWithTheReasonForNotSpilling) {
  stalls_.say_space("object of 2.0 MiB", 2 << 20, "the disk is full");
  const auto asked = node.sent<net::WhyWaits>();
  ASSERT_THAT(asked, SizeIs(1));
  EXPECT_EQ(asked[0].space_bytes, 2U << 20);
  EXPECT_EQ(asked[0].not_spilled, "the disk is full");
  net::Waits answer = lacks("the object store is full");
  answer.request = asked[0].request;
  EXPECT_THAT(line_for(answer), HasSubstr("object of 2.0 MiB waits: the object store is full"));
}

// --- the text of a deadline

TEST_F(StallTest, ADeadlineSaysWhatTheNodeLacks) {
  owner::Entry* entry = submit_named(1);
  net::Waits answer = lacks("asks for CPU: 1");
  answer.holders = {{.process = 7, .actor = true, .milliseconds = 1250}, {.process = 8, .milliseconds = 300}};
  answer.all_holders = 5;
  answer.others = "one has 2";
  answer_with(answer);
  EXPECT_EQ(
      stalls_.why(*entry),
      "task fold waits: it asks for CPU: 1; held by actor in process 7 for 1.2 s, task in process 8 for 0.3 s and "
      "3 more; other nodes: one has 2");
  EXPECT_FALSE(node.sent<net::WhyWaits>().at(0).line);
  EXPECT_EQ(results.drains, 1);
}

TEST_F(StallTest, ADeadlineSaysWhatThisProcessKnows) {
  owner::Entry* borrowed = borrow(1);
  EXPECT_EQ(stalls_.why(*borrowed), "another process makes the value");
  owner::Entry* waiting = submit_named(2);
  stalls_.close();
  EXPECT_EQ(stalls_.why(*waiting), "task fold waits for a worker") << "the node does not answer";
  finish(*waiting);
  EXPECT_EQ(stalls_.why(*waiting), "");
}

TEST_F(StallTest, TheEndOfTheNodeEndsTheWaitForItsAnswer) {
  owner::Entry* entry = submit_named(1);
  auto asking = std::async(std::launch::async, [&] { return stalls_.why(*entry); });
  (void)node.await<net::WhyWaits>();
  stalls_.close();
  EXPECT_EQ(asking.get(), "task fold waits for a worker");
}

TEST_F(StallTest, TheStoresHoldersAreNamed) {
  net::Waits answer;
  answer.holders = {{.process = 7, .store_bytes = 2 << 20}, {.process = 8, .store_bytes = 1 << 10}};
  answer.all_holders = 2;
  answer_with(answer);
  EXPECT_EQ(stalls_.holders_of_store(), "; held by process 7 with 2.0 MiB, process 8 with 1.0 KiB");
  answer_with({});
  EXPECT_EQ(stalls_.holders_of_store(), "");
}

// --- describe

TEST_F(StallTest, WhatIsOpenIsDescribed) {
  submit_named(1);
  owner::Entry* borrowed = borrow(2);
  finish(*submit_named(3));
  const std::string text = describe(state);
  EXPECT_THAT(text, HasSubstr("3 entries, 1 unfinished, invariants: \"\""));
  EXPECT_THAT(text, HasSubstr(object(1).to_string() + ": queued"));
  EXPECT_THAT(text, HasSubstr(borrowed->id.to_string() + ": borrowed"));
  EXPECT_THAT(text, ::testing::Not(HasSubstr(object(3).to_string())));
  EXPECT_THAT(text, HasSubstr("doorbell: "));
}

}  // namespace
}  // namespace manta::client
