// What is published reaches those that subscribed to it, and no others.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/observe/events.h"

namespace manta::observe {
namespace {

struct Tasks final : TaskSubscriber {
  void on(const TaskSubmitted&) override { seen += "submitted "; }
  void on(const TaskBegins&) override { seen += "begins "; }
  void on(const TaskEnds&) override { seen += "ends "; }
  void on(const Waited&) override { seen += "waited "; }
  void on(const Idle&) override { seen += "idle "; }
  std::string seen;
};
struct Rare final : Subscriber {
  void observe(const RareEvent& event) override {
    if (const auto* ended = std::get_if<WorkerEnded>(&event)) statuses.emplace_back(ended->status);
  }
  std::vector<std::string> statuses;
};

TEST(Events, ReachTheirSubscribersInOrder) {
  Events events;
  Tasks first, second;
  Rare rare;
  events.subscribe_to_tasks(first, false);
  events.subscribe_to_tasks(second, false);
  events.subscribe(rare);
  events.publish_task(TaskSubmitted{{}, {}});
  events.publish_task(Waited{{}});
  events.publish(WorkerEnded{"was killed by signal 9"});
  EXPECT_EQ(first.seen, "submitted waited ");
  EXPECT_EQ(second.seen, "submitted waited ");
  EXPECT_EQ(rare.statuses, std::vector<std::string>{"was killed by signal 9"});
}

TEST(Events, TimesAreMeasuredOnlyForASubscriberThatWantsThem) {
  Events events;
  Tasks marks, timeline;
  EXPECT_EQ(events.now_if_timed(), Clock::time_point());
  events.subscribe_to_tasks(marks, false);
  EXPECT_EQ(events.now_if_timed(), Clock::time_point());
  events.subscribe_to_tasks(timeline, true);
  const auto before = Clock::now();
  EXPECT_GE(events.now_if_timed(), before);
}

}  // namespace
}  // namespace manta::observe
