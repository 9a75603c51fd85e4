// Rollout actors that find no place say so, and so does the error of train().
#include "tests/rl/waits_test.h"

#include <gtest/gtest.h>

#include <manta/rl.h>

namespace {

namespace rl = manta::rl;
using manta::e2e::hold;
using manta::e2e::Holder;
using manta::e2e::kHeldByHolder;

void expect_no_rollout(double cpus_per_actor) {
  rl::RunConfig run;
  run.storage_path.clear();
  run.show_progress = false;
  run.num_rollout_actors = 2;
  run.cpus_per_rollout_actor = cpus_per_actor;
  run.rollout_timeout = std::chrono::seconds(3);
  try {
    (void)rl::Ppo("CartPole-v1", {.num_envs = 4, .num_steps = 16, .total_steps = 64}, run).train();
    manta::e2e::say_over("it was trained");
  } catch (const manta::Error& error) {
    manta::e2e::say_over(error.what());
  }
}

TEST(Waits, ARolloutActorWithoutAPlaceSaysSo) { manta::e2e::expect_lines(rl_wait_rows); }

}  // namespace

// clang-format off
const std::vector<manta::e2e::WaitRow> rl_wait_rows{
  {"rollout_cpu", {.num_cpus = 2}, {}, [] {
     const auto holder = manta::actor<Holder>.options({.num_cpus = 2})();
     hold(holder);
     expect_no_rollout(1);
   }, "rollout actor 0 and 1 more wait: the first asks for CPU: 1, of CPU: 2 here 0 is free; " + kHeldByHolder
      + "; .*InitOptions::num_cpus"},
  {"rollout_workers", {.num_cpus = 2, .max_workers = 1}, {}, [] {
     const auto holder = manta::actor<Holder>();
     hold(holder);
     expect_no_rollout(0);
   }, "rollout actor 0 and 1 more wait: all 1 worker processes of this node are in use.*" + kHeldByHolder
      + ".*InitOptions::max_workers"},
};
// clang-format on
