// manta::runtime_context in the driver, in tasks and in actors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <signal.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include <manta/manta.h>
#include <manta/testing.h>

#include "tests/e2e/outside.h"

namespace {

using manta::runtime_context;

struct Seen {
  std::uint64_t job, node, worker;
  std::int64_t process;
  bool driver, in_task, in_actor, restarted;
  std::string name;
  std::uint32_t attempt;
  double cpus;
  std::size_t gpus;
};
Seen seen() {
  const manta::RuntimeContext c = runtime_context();
  return {c.job.value,
          c.node.value,
          c.worker.value,
          c.process,
          c.driver,
          static_cast<bool>(c.task),
          static_cast<bool>(c.actor),
          c.actor_restarted,
          std::string(c.task_name),
          c.attempt,
          c.num_cpus,
          c.gpus.size()};
}
Seen look(int) { return seen(); }
int third_time(int cell) {
  if (++manta::e2e::outside()[static_cast<std::size_t>(cell)] < 3) throw std::runtime_error("not yet");
  return static_cast<int>(runtime_context().attempt);
}
std::vector<std::string> nested(int) {
  const std::string before(runtime_context().task_name);
  const Seen inner = manta::get(manta::remote<look>.options({.num_cpus = 0.5})(1));
  std::string in_thread = "?";
  std::thread([&] { in_thread = std::string(runtime_context().task_name); }).join();
  return {before, inner.name, std::string(runtime_context().task_name), in_thread};
}
struct Watcher {
  explicit Watcher(int) : born(seen()) {}
  Seen birth(int) { return born; }
  Seen now(int) { return seen(); }
  manta::ObjectId id(int) { return runtime_context().actor; }
  void die(int) { ::kill(::getpid(), SIGKILL); }
  Seen born;
};

}  // namespace

TEST(RuntimeContext, OfTheDriver) {
  const Seen here = seen();
  EXPECT_TRUE(here.driver);
  EXPECT_EQ(here.job, here.worker);
  EXPECT_EQ(here.process, ::getpid());
  EXPECT_EQ(here.node, manta::testing::runtime().nodes().front().id.value);
  EXPECT_FALSE(here.in_task);
  EXPECT_FALSE(here.in_actor);
  EXPECT_EQ(here.attempt, 0u);
}

TEST(RuntimeContext, OfATask) {
  const Seen task = get(manta::remote<look>.options({.num_cpus = 1.5})(1));
  EXPECT_FALSE(task.driver);
  EXPECT_EQ(task.job, runtime_context().job.value);
  EXPECT_NE(task.worker, task.job);
  EXPECT_NE(task.process, ::getpid());
  EXPECT_TRUE(task.in_task);
  EXPECT_FALSE(task.in_actor);
  EXPECT_NE(task.name.find("look"), std::string::npos) << task.name;
  EXPECT_EQ(task.attempt, 1u);
  EXPECT_EQ(task.cpus, 1.5);
  EXPECT_EQ(task.gpus, 0u);
}

TEST(RuntimeContext, CountsAttempts) {
  EXPECT_EQ(get(manta::remote<third_time>.options({.max_retries = 5, .retry_exceptions = true})(300)), 3);
}

TEST(RuntimeContext, IsTheInnerTasksWhileThatRunsOnTheOutersStack) {
  const auto names = get(manta::remote<nested>(1));
  EXPECT_NE(names[0].find("nested"), std::string::npos) << names[0];
  EXPECT_NE(names[1].find("look"), std::string::npos) << names[1];
  EXPECT_EQ(names[2], names[0]);
  EXPECT_EQ(names[3], "") << "a thread of the user's";
}

TEST(RuntimeContext, OfAnActorAndItsNextLife) {
  const auto watcher = manta::actor<Watcher>.options({.max_restarts = 1})(1);
  const Seen first = get(watcher.call<&Watcher::birth>(1));
  EXPECT_TRUE(first.in_actor);
  EXPECT_FALSE(first.restarted);
  EXPECT_NE(first.name.find("Watcher"), std::string::npos) << first.name;
  const Seen method = get(watcher.call<&Watcher::now>(1));
  EXPECT_TRUE(method.in_actor);
  EXPECT_NE(method.name.find("now"), std::string::npos) << method.name;
  const manta::ObjectId id = get(watcher.call<&Watcher::id>(1));
  (void)try_get(watcher.call<&Watcher::die>(1));
  EXPECT_TRUE(get(watcher.call<&Watcher::birth>(1)).restarted);
  EXPECT_EQ(get(watcher.call<&Watcher::id>(1)), id);
}

TEST(RuntimeContext, InThreadsOfAnActor) {
  const auto watcher = manta::actor<Watcher>.options({.max_concurrency = 4})(1);
  std::vector<manta::Ref<Seen>> refs;
  for (int i = 0; i < 40; ++i) refs.push_back(watcher.call<&Watcher::now>(i));
  for (auto& ref : refs) {
    const Seen method = get(ref);
    EXPECT_TRUE(method.in_actor);
    EXPECT_TRUE(method.in_task);
    EXPECT_NE(method.name.find("now"), std::string::npos) << method.name;
  }
}
