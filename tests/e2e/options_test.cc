// Options and flags that make no sense are refused where they enter, by name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include <manta/manta.h>

namespace {

using manta::Error;
using manta::ErrorCode;
using manta::InitOptions;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string refusal(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument) << error.what();
    return error.what();
  }
  return "accepted";
}

std::string init_refusal(const InitOptions& options, std::vector<std::string> flags = {}) {
  flags.insert(flags.begin(), "program");
  std::vector<char*> argv;
  for (std::string& flag : flags) argv.push_back(flag.data());
  argv.push_back(nullptr);
  return refusal([&] { (void)manta::init(static_cast<int>(flags.size()), argv.data(), options); });
}

TEST(Options, OfInit) {
  const double nan = std::nan("");
  EXPECT_THAT(init_refusal({.num_cpus = nan}), HasSubstr("InitOptions::num_cpus is nan"));
  EXPECT_THAT(init_refusal({.num_cpus = -2}), HasSubstr("InitOptions::num_cpus is -2"));
  EXPECT_THAT(init_refusal({.num_cpus = INFINITY}), HasSubstr("InitOptions::num_cpus is inf"));
  EXPECT_THAT(init_refusal({.num_cpus = 1, .num_gpus = -0.5}), HasSubstr("InitOptions::num_gpus is -0.5"));
  EXPECT_THAT(init_refusal({.num_cpus = 1, .num_gpus = nan}), HasSubstr("InitOptions::num_gpus is nan"));
  EXPECT_THAT(init_refusal({.num_cpus = 1, .num_gpus = 1.5}), HasSubstr("num_gpus must be a whole number"));
  EXPECT_THAT(init_refusal({.num_cpus = 1, .memory_bytes = -5}), HasSubstr("InitOptions::memory_bytes is -5"));
  EXPECT_THAT(init_refusal({.num_cpus = 1, .store_capacity_bytes = -7}),
              HasSubstr("InitOptions::store_capacity_bytes is -7"));
  EXPECT_THAT(init_refusal({.num_cpus = 1, .max_workers = -2}), HasSubstr("InitOptions::max_workers"));
  EXPECT_THAT(init_refusal({.num_cpus = 1, .spin = std::chrono::microseconds(-3)}),
              HasSubstr("InitOptions::spin is -3"));
}

TEST(Options, NamedResourcesOfInit) {
  const auto with = [](manta::CustomResource first, manta::CustomResource second = {}) {
    return init_refusal({.num_cpus = 1, .resources = {{first, second}}});
  };
  EXPECT_THAT(with({"license", 1}, {"license", 2}),
              HasSubstr("InitOptions::resources[1] names \"license\" a second time"));
  EXPECT_THAT(with({"", 2}), HasSubstr("InitOptions::resources[0] has an amount but no name"));
  EXPECT_THAT(with({"CPU", 2}), HasSubstr("set InitOptions::num_cpus instead"));
  EXPECT_THAT(with({"GPU", 2}), HasSubstr("set InitOptions::num_gpus instead"));
  EXPECT_THAT(with({"license", std::nan("")}), HasSubstr("license"));
  EXPECT_THAT(with({"license", -1}), HasSubstr("license"));
}

TEST(Options, FlagsOfManta) {
  const auto flag = [](std::vector<std::string> flags) { return init_refusal({}, std::move(flags)); };
  EXPECT_THAT(flag({"--manta-num-cpu=2"}),
              AllOf(HasSubstr("--manta-num-cpu=2"), HasSubstr("did you mean --manta-num-cpus=N?")));
  EXPECT_THAT(flag({"--manta-num_gpus=2"}), HasSubstr("did you mean --manta-num-gpus=N?"));
  EXPECT_THAT(flag({"--verbose", "--manta-lisen=127.0.0.1:0"}), HasSubstr("did you mean --manta-listen=HOST:PORT?"));
  EXPECT_THAT(flag({"--manta-num-cpus", "2"}), HasSubstr("the flag has no value; write --manta-num-cpus=N"));
  EXPECT_THAT(flag({"--manta-num-cpus=2", "--manta-num-cpus=3"}), HasSubstr("given twice"));
  EXPECT_THAT(flag({"--manta-num-cpus=-2"}), HasSubstr("--manta-num-cpus is \"-2\""));
}

int one() { return 1; }
struct Counter {
  int one() { return 1; }
};

TEST(Options, OfTasksActorsGroupsAndBuffers) {
  std::string name = "program";
  char* argv[] = {name.data(), nullptr};
  auto runtime = manta::init(1, argv, {.num_cpus = 2, .num_gpus = 0});
  const auto task = [](const manta::TaskOptions& options) {
    return refusal([&] { (void)manta::get(manta::remote<one>.options(options)()); });
  };
  EXPECT_THAT(task({.max_retries = -100}), HasSubstr("TaskOptions::max_retries is -100"));
  EXPECT_EQ(task({.max_retries = -1}), "accepted");
  EXPECT_EQ(task({}), "accepted");
  EXPECT_THAT(task({.resources = {{{"", 3}}}}), HasSubstr("TaskOptions::resources[0] has an amount but no name"));
  EXPECT_THAT(task({.env = {{{"", "x"}}}}), HasSubstr("TaskOptions::env[0] has a value but no name"));
  EXPECT_THAT(task({.resources = {{{"CPU", 1}}}}), HasSubstr("set TaskOptions::num_cpus instead"));
  EXPECT_THAT(task({.memory_bytes = static_cast<std::uint64_t>(-1)}), HasSubstr("TaskOptions::memory_bytes"));
  for (const std::chrono::nanoseconds wrong :
       {std::chrono::nanoseconds(0), std::chrono::nanoseconds(-5'000'000'000), std::chrono::nanoseconds::min()}) {
    EXPECT_THAT(task({.timeout = wrong}), AllOf(HasSubstr("TaskOptions::timeout"), HasSubstr("give more than 0")));
    const auto call = [&] { (void)manta::actor<Counter>().options({.timeout = wrong}).call<&Counter::one>(); };
    EXPECT_THAT(refusal(call), AllOf(HasSubstr("CallOptions::timeout"), HasSubstr("give more than 0")));
  }
  EXPECT_EQ(task({.timeout = std::chrono::hours(100'000)}), "accepted");
  const auto actor = [](const manta::ActorOptions& options) {
    return refusal([&] { (void)manta::get(manta::actor<Counter>.options(options)().call<&Counter::one>()); });
  };
  EXPECT_THAT(actor({.max_restarts = -2}), HasSubstr("ActorOptions::max_restarts is -2"));
  EXPECT_THAT(actor({.max_task_retries = -7}), HasSubstr("ActorOptions::max_task_retries is -7"));
  EXPECT_THAT(actor({.num_cpus = std::nan("")}), HasSubstr("ActorOptions::num_cpus is nan"));
  EXPECT_THAT(actor({.max_concurrency = -1}), HasSubstr("ActorOptions::max_concurrency is -1"));
  EXPECT_EQ(actor({.max_restarts = -1, .max_task_retries = -1}), "accepted");
  const auto group = [](manta::BundleOptions bundle) { return refusal([&] { manta::PlacementGroup({bundle}); }); };
  EXPECT_THAT(group({.num_cpus = std::nan("")}), HasSubstr("BundleOptions::num_cpus is nan"));
  EXPECT_THAT(group({.num_cpus = -1}), HasSubstr("BundleOptions::num_cpus is -1"));
  EXPECT_THAT(refusal([] { (void)manta::create_buffer(static_cast<std::size_t>(-1)); }), HasSubstr("create_buffer"));
  EXPECT_THAT(refusal([] { manta::PlacementGroup(std::span<const manta::BundleOptions>()); }), HasSubstr("bundle"));
}

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
