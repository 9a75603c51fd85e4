// Placement groups on one node: what is reserved is out of reach for all other work, and what is in it ends with it.
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <manta/manta.h>
#include <manta/testing.h>

#include "tests/e2e/outside.h"

namespace {

using namespace std::chrono_literals;
using manta::Bundle;
using manta::Error;
using manta::ErrorCode;
using manta::get;
using manta::GroupStrategy;
using manta::PlacementGroup;
using manta::Ref;
using manta::remote;
using manta::wait;
using manta::e2e::await_cell;
using manta::e2e::outside;

int square(int x) { return x * x; }
// Tells that it runs, and ends when cell 1 says so.
int hold(std::size_t cell) {
  outside()[cell].fetch_add(1);
  while (outside()[1].load() == 0) ::usleep(1000);
  return static_cast<int>(::getpid());
}
int squares_in(Bundle bundle) {
  std::vector<Ref<int>> refs;
  for (int i = 0; i < 10; ++i) refs.push_back(remote<square>.options({.num_cpus = 0.5, .bundle = bundle})(i));
  int sum = 0;
  for (auto& ref : refs) sum += get(ref);
  return sum;
}
std::string gpus() {
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  return visible != nullptr ? visible : "unset";
}

class Counter {
 public:
  int add(int n) { return count_ += n; }
  int process() const { return static_cast<int>(::getpid()); }

 private:
  int count_ = 0;
};

template <class F>
std::string message_of(ErrorCode code, F&& f) {
  try {
    f();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

template <class T>
bool resolved(const Ref<T>& ref, std::chrono::milliseconds limit) {
  std::vector<Ref<T>> refs{ref};
  return wait(refs, {.count = 1, .timeout = limit}) == 1;
}

class Groups : public testing::Test {
 protected:
  void SetUp() override { outside().clear(); }
};

TEST_F(Groups, TasksAndActorsRunInBundles) {
  PlacementGroup group({{.num_cpus = 1}, {.num_cpus = 1}});
  EXPECT_EQ(group.size(), 2U);
  get(group.ready());
  EXPECT_EQ(get(remote<square>.options({.bundle = group.bundle(0)})(7)), 49);
  const auto counter = manta::actor<Counter>.options({.num_cpus = 1, .bundle = group.bundle(1)})();
  EXPECT_EQ(get(counter.call<&Counter::add>(2)), 2);
  EXPECT_EQ(get(counter.call<&Counter::add>(3)), 5);
}

TEST_F(Groups, NestedTasksInABundle) {
  PlacementGroup group({{.num_cpus = 1}, {.num_cpus = 1}});
  EXPECT_EQ(get(remote<squares_in>.options({.bundle = group.bundle(0)})(group.bundle(0))), 285);
  EXPECT_EQ(get(remote<squares_in>.options({.bundle = group.bundle(0)})(group.bundle(1))), 285);
}

TEST_F(Groups, WhatIsReservedIsOutOfReach) {
  std::optional<PlacementGroup> group(std::in_place, std::initializer_list<manta::BundleOptions>{{.num_cpus = 2}});
  get(group->ready());
  auto outsider = remote<square>(3);
  EXPECT_FALSE(resolved(outsider, 50ms));
  EXPECT_EQ(get(remote<square>.options({.num_cpus = 2, .bundle = group->bundle(0)})(4)), 16);
  EXPECT_FALSE(resolved(outsider, 20ms));
  group.reset();
  EXPECT_EQ(get(outsider), 9);
}

TEST_F(Groups, ABundleGrantsNoMoreThanItHas) {
  PlacementGroup group({{.num_cpus = 1}});
  const auto first = remote<hold>.options({.bundle = group.bundle(0)})(0);
  auto second = remote<square>.options({.bundle = group.bundle(0)})(5);
  ASSERT_TRUE(await_cell(0, 1));
  EXPECT_FALSE(resolved(second, 50ms));
  EXPECT_EQ(get(remote<square>(6)), 36);  // the other CPU is outside the group
  outside()[1].store(1);
  EXPECT_EQ(get(second), 25);
  const std::string why = message_of(ErrorCode::invalid_argument, [&] {
    (void)get(remote<square>.options({.num_cpus = 2, .bundle = group.bundle(0)})(1));
  });
  EXPECT_NE(why.find("CPU: 2"), std::string::npos) << why;
}

TEST_F(Groups, WaitsBehindWhatRuns) {
  const auto busy = remote<hold>.options({.num_cpus = 2})(0);
  ASSERT_TRUE(await_cell(0, 1));
  PlacementGroup group({{.num_cpus = 2}});
  EXPECT_FALSE(resolved(group.ready(), 50ms));
  outside()[1].store(1);
  EXPECT_TRUE(resolved(group.ready(), 5s));
}

// Short tasks that keep the node busy do not starve a group.
TEST_F(Groups, IsServedBesideManySmallTasks) {
  std::vector<Ref<int>> many;
  for (int i = 0; i < 20'000; ++i) many.push_back(remote<square>(i));
  PlacementGroup group({{.num_cpus = 2}});
  EXPECT_EQ(get(remote<square>.options({.num_cpus = 2, .bundle = group.bundle(0)})(9)), 81);
  group.remove();
  for (int i = 0; i < 20'000; i += 999) EXPECT_EQ(get(many[static_cast<std::size_t>(i)]), square(i));
}

TEST_F(Groups, RemovalKillsWhatRunsAndFailsWhatWaits) {
  std::optional<PlacementGroup> group(std::in_place, std::initializer_list<manta::BundleOptions>{{.num_cpus = 1}});
  const Bundle bundle = group->bundle(0);
  const auto counter = manta::actor<Counter>.options({.bundle = bundle})();
  EXPECT_EQ(get(counter.call<&Counter::add>(2)), 2);
  auto runs = remote<hold>.options({.bundle = bundle})(0);
  auto waits = remote<square>.options({.bundle = bundle})(5);
  ASSERT_TRUE(await_cell(0, 1));
  group.reset();
  const std::string why = message_of(ErrorCode::invalid_argument, [&] { (void)get(waits); });
  EXPECT_NE(why.find("placement group"), std::string::npos) << why;
  EXPECT_THROW((void)get(runs), Error);
  EXPECT_THROW((void)get(counter.call<&Counter::add>(1)), Error);
  const std::string late =
      message_of(ErrorCode::invalid_argument, [&] { (void)get(remote<square>.options({.bundle = bundle})(5)); });
  EXPECT_NE(late.find("was removed"), std::string::npos) << late;
  EXPECT_EQ(get(remote<square>.options({.num_cpus = 2})(3)), 9);  // all CPUs are free again
}

TEST_F(Groups, ManyOneAfterTheOther) {
  for (int i = 0; i < 50; ++i) {
    PlacementGroup group({{.num_cpus = 1}, {.num_cpus = 1}}, GroupStrategy::strict_pack);
    ASSERT_EQ(get(remote<square>.options({.bundle = group.bundle(static_cast<std::size_t>(i % 2))})(i)), i * i);
  }
  EXPECT_EQ(get(remote<square>.options({.num_cpus = 2})(3)), 9);
}

TEST_F(Groups, GpusOfABundle) {
  PlacementGroup first({{.num_cpus = 0, .num_gpus = 2}, {.num_cpus = 0, .num_gpus = 0.5}});
  const std::string whole = get(remote<gpus>.options({.num_cpus = 0, .num_gpus = 2, .bundle = first.bundle(0)})());
  const std::string half = get(remote<gpus>.options({.num_cpus = 0, .num_gpus = 0.5, .bundle = first.bundle(1)})());
  EXPECT_EQ(whole.size(), 3U) << whole;
  EXPECT_EQ(half.size(), 1U) << half;
  EXPECT_EQ(whole.find(half), std::string::npos) << whole << " and " << half;
}

TEST_F(Groups, WhatIsRefused) {
  using Bundles = std::vector<manta::BundleOptions>;
  const auto refused = [](const Bundles& bundles, GroupStrategy strategy = GroupStrategy::pack) {
    return message_of(ErrorCode::invalid_argument, [&] { PlacementGroup(bundles, strategy); });
  };
  EXPECT_NE(refused({}).find("from 1 to"), std::string::npos);
  EXPECT_NE(refused({{.num_cpus = 3}}).find("needs CPU: 3"), std::string::npos);
  const std::string spread = refused({{.num_cpus = 1}, {.num_cpus = 1}}, GroupStrategy::strict_spread);
  EXPECT_NE(spread.find("strict_spread"), std::string::npos) << spread;
  EXPECT_NE(refused({{.num_cpus = 2}, {.num_cpus = 2}}).find("even if all are idle"), std::string::npos);
  EXPECT_NE(refused({{.num_gpus = 1.5}}).find("BundleOptions::num_gpus"), std::string::npos);
  PlacementGroup group({{.num_cpus = 1}});
  EXPECT_NE(message_of(ErrorCode::invalid_argument, [&] { (void)group.bundle(1); }).find("0 to 0"), std::string::npos);
  const std::string both = message_of(ErrorCode::invalid_argument, [&] {
    (void)remote<square>.options({.node = manta::NodeId{1}, .bundle = group.bundle(0)})(1);
  });
  EXPECT_NE(both.find("TaskOptions::bundle"), std::string::npos) << both;
  PlacementGroup moved = std::move(group);
  EXPECT_THROW((void)group.bundle(0), Error);  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(get(remote<square>.options({.bundle = moved.bundle(0)})(2)), 4);
}

// A group that a task has made goes with the worker in which it was made.
class Owner {
 public:
  Bundle make() {
    group_.emplace(std::initializer_list<manta::BundleOptions>{{.num_cpus = 2}});
    get(group_->ready());
    return group_->bundle(0);
  }

 private:
  std::optional<PlacementGroup> group_;
};

TEST_F(Groups, EndsWithTheProcessThatMadeIt) {
  const auto owner = manta::actor<Owner>();
  const Bundle bundle = get(owner.call<&Owner::make>());
  EXPECT_EQ(get(remote<square>.options({.num_cpus = 2, .bundle = bundle})(3)), 9);
  manta::kill(owner);
  EXPECT_EQ(get(remote<square>.options({.num_cpus = 2})(4)), 16);
}

}  // namespace

int main(int argc, char** argv) {
  if (manta::e2e::prepare_outside()) ::unsetenv("CUDA_VISIBLE_DEVICES");  // a worker's was set by its node
  return manta::testing::main(argc, argv, {.num_cpus = 2, .num_gpus = 4});
}
