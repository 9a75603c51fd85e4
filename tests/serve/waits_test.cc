// A replica that lacks resources says so, and so does the error of run().
#include "tests/serve/waits_test.h"

#include <gtest/gtest.h>

#include "tests/serve/callables.h"

namespace {

namespace serve = manta::serve;
using manta::e2e::hold;
using manta::e2e::Holder;
using manta::e2e::kHeldByHolder;
using serve::testing::Sum;

void expect_no_start(serve::DeploymentOptions options) {
  options.name = "sum";
  options.start_timeout = manta::e2e::kWaitDeadline;
  serve::Server server({.port = 0});
  try {
    server.run(serve::deployment<Sum>(options));
    manta::e2e::say_over("it started");
  } catch (const manta::Error& error) {
    manta::e2e::say_over(error.what());
  }
}

TEST(Waits, AReplicaWithoutAPlaceSaysSo) { manta::e2e::expect_lines(serve_wait_rows); }

}  // namespace

// clang-format off
const std::vector<manta::e2e::WaitRow> serve_wait_rows{
  {"replica_cpu", {.num_cpus = 2}, {}, [] {
     const auto holder = manta::actor<Holder>.options({.num_cpus = 2})();
     hold(holder);
     expect_no_start({.num_replicas = 2, .num_cpus = 1});
   }, "replica of deployment 'sum' and 1 more wait: the first asks for CPU: 1, of CPU: 2 here 0 is free; " + kHeldByHolder
      + "; .*InitOptions::num_cpus"},
  {"replica_gpu", {.num_cpus = 2, .num_gpus = 1}, {}, [] {
     const auto holder = manta::actor<Holder>.options({.num_gpus = 1})();
     hold(holder);
     expect_no_start({.num_gpus = 0.5});
   }, "replica of deployment 'sum' waits: it asks for GPU: 0.5, of GPU: 1 here 0 is free; " + kHeldByHolder
      + "; .*InitOptions::num_gpus"},
  {"replica_workers", {.num_cpus = 2, .max_workers = 2}, {}, [] {  // one for the holder, one for the server's own actor
     const auto holder = manta::actor<Holder>();
     hold(holder);
     expect_no_start({});
   }, "replica of deployment 'sum' waits: all 2 worker processes of this node are in use.*" + kHeldByHolder
      + ".*InitOptions::max_workers"},
};
// clang-format on
