// MANTA_TIMELINE: the trace of a whole program (this one, with --program), parsed again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include <manta/manta.h>

#include "tests/e2e/program_run.h"

namespace {

using namespace std::chrono_literals;
using manta::e2e::ProgramRun;
using manta::e2e::run_program;
using nlohmann::json;
using ::testing::HasSubstr;

// --- what the program runs in workers

int naps(int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
  return milliseconds;
}
void throws() { throw std::runtime_error("not today"); }
int dies_at_first(const std::string& path) {
  if (std::filesystem::exists(path)) return 1;
  std::ofstream(path) << "x";
  ::kill(::getpid(), SIGKILL);
  return 0;
}
int calls(int n) {
  int sum = 0;
  for (int i = 0; i < n; ++i) sum += manta::get(manta::remote<naps>(0));
  return sum;
}
struct Counter {
  explicit Counter(int start) : value(start) {}
  int add(int n) { return value += n; }
  manta::Task<int> later(int milliseconds) {
    co_await manta::sleep_for(std::chrono::milliseconds(milliseconds));
    co_return value;
  }
  int value;
};

void program(const std::string& path) {
  // First: what its worker had done in its last 20 ms would be lost with it (TIME-1).
  (void)manta::get(manta::remote<dies_at_first>(path + ".died"));
  std::vector<manta::Ref<int>> refs;
  for (int i = 0; i < 10; ++i) refs.push_back(manta::remote<naps>(5));
  for (const auto& ref : refs) (void)manta::get(ref);
  (void)manta::try_get(manta::remote<throws>());
  (void)manta::get(manta::remote<calls>(3));
  auto counter = manta::actor<Counter>(1);
  for (int i = 0; i < 100; ++i) (void)counter.call<&Counter::add>(i);
  (void)manta::get(counter.call<&Counter::later>(20));
}

void use_one_processor() {
  cpu_set_t first;
  ::sched_getaffinity(0, sizeof first, &first);
  int cpu = 0;
  while (!CPU_ISSET(cpu, &first)) ++cpu;
  CPU_ZERO(&first);
  CPU_SET(cpu, &first);
  ::sched_setaffinity(0, sizeof first, &first);
}
// Each ends right after its only call: on one processor, before its worker runs again.
void short_lives() {
  for (int i = 0; i < 100; ++i) {
    manta::Ref<int> sum;
    {
      auto counter = manta::actor<Counter>(i);
      sum = counter.call<&Counter::add>(1);
    }
    (void)manta::get(sum);
  }
}

std::string name_of(const json& event) {
  const std::string name = event.at("name");
  constexpr std::string_view kHere = "{anonymous}::";
  return name.starts_with(kHere) ? name.substr(kHere.size()) : name;
}

struct Timeline : ::testing::Test {
  Timeline() : folder(std::filesystem::temp_directory_path() / ("manta-timeline-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder);
  }
  ~Timeline() override { std::filesystem::remove_all(folder); }
  ProgramRun run(const std::string& name, const std::string& path) {
    return run_program({"--program=" + name, (folder / "scratch").string()}, {"MANTA_TIMELINE=" + path});
  }
  std::string text_of(const std::string& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::filesystem::path folder;
};

TEST_F(Timeline, ShowsWhatRanWhereAndWhen) {
  const std::string path = folder / "trace.json";
  const ProgramRun run = this->run("all", path);
  ASSERT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(run.err, "");
  const json events = json::parse(text_of(path));
  ASSERT_TRUE(events.is_array());

  std::map<std::string, std::vector<json>> slices;
  std::set<int> named, ran_in;
  std::set<std::string> submitted, started;
  std::vector<json> died;
  for (const json& event : events) {
    const std::string phase = event.at("ph");
    if (phase == "X") slices[name_of(event)].push_back(event);
    if (phase == "X" || phase == "b") ran_in.insert(event.at("pid").get<int>());
    if (phase == "M") named.insert(event.at("pid").get<int>());
    if (phase == "s") submitted.insert(event.at("id"));
    if (phase == "f") started.insert(event.at("id"));
    if (phase == "i" && event.at("name") != "end") died.push_back(event);
  }
  ASSERT_EQ(slices["naps"].size(), 13U);
  for (std::size_t i = 0; i < 13; ++i) {
    const json& slice = slices["naps"][i];
    EXPECT_EQ(slice.at("args").at("outcome"), "done");
  }
  const auto long_ones = std::count_if(slices["naps"].begin(), slices["naps"].end(),
                                       [](const json& slice) { return slice.at("dur").get<double>() >= 5'000; });
  EXPECT_GE(long_ones, 10);
  ASSERT_EQ(slices["throws"].size(), 1U);
  EXPECT_EQ(slices["throws"][0].at("args").at("outcome"), "threw");
  EXPECT_EQ(slices["Counter::add"].size(), 100U);
  EXPECT_EQ(slices["Counter"].size(), 1U) << "its constructor";
  EXPECT_FALSE(slices["wait"].empty());
  ASSERT_EQ(slices["dies_at_first"].size(), 1U);
  EXPECT_EQ(slices["dies_at_first"][0].at("args").at("attempt"), 1);
  const auto killed = std::count_if(died.begin(), died.end(), [](const json& event) {
    return event.at("name").get<std::string>().find("signal 9") != std::string::npos;
  });
  EXPECT_EQ(killed, 1) << "another one has ended with its actor";

  std::map<std::string, std::vector<double>> waits;
  for (const json& event : events) {
    const std::string phase = event.at("ph");
    if (phase == "b" || phase == "e") waits[event.at("id")].push_back(event.at("ts").get<double>());
  }
  ASSERT_EQ(waits.size(), 1U) << "of Counter::later";
  ASSERT_EQ(waits.begin()->second.size(), 2U);
  EXPECT_GE(waits.begin()->second[1] - waits.begin()->second[0], 20'000);

  for (const int process : ran_in) EXPECT_TRUE(named.contains(process)) << process;
  for (const std::string& id : submitted) EXPECT_TRUE(started.contains(id)) << id;
}

TEST_F(Timeline, AnActorThatEndsHasWrittenItsLastCall) {
  const std::string path = folder / "actors.json";
  ASSERT_EQ(this->run("actors", path).status, 0);
  const json events = json::parse(text_of(path));
  EXPECT_EQ(std::count_if(events.begin(), events.end(),
                          [](const json& event) { return event.at("ph") == "X" && name_of(event) == "Counter::add"; }),
            100);
}

TEST_F(Timeline, OfAProgramThatIsKilledOnlyTheBracketIsMissing) {
  const std::string path = folder / "killed.json";
  const ProgramRun run = this->run("killed", path);
  EXPECT_EQ(run.status, -SIGKILL);
  std::string text = text_of(path);
  ASSERT_GT(text.size(), 10U);
  ASSERT_EQ(text.substr(text.size() - 2), ",\n");
  text.replace(text.size() - 2, 2, "]");
  const json events = json::parse(text);
  EXPECT_TRUE(std::any_of(events.begin(), events.end(), [](const json& event) { return name_of(event) == "naps"; }));
}

TEST_F(Timeline, AFolderThatDoesNotExistIsAClearError) {
  const ProgramRun run = this->run("all", (folder / "none" / "trace.json").string());
  EXPECT_NE(run.status, 0);
  EXPECT_THAT(run.err, HasSubstr("MANTA_TIMELINE: cannot write " + (folder / "none" / "trace.json").string()));
}

TEST_F(Timeline, AFullDiskIsSaidAndTheRunGoesOn) {
  const ProgramRun run = this->run("all", "/dev/full");
  EXPECT_NE(run.status, 0) << "at its start";
  EXPECT_THAT(run.err, HasSubstr("No space left on device"));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::strncmp(argv[1], "--program=", 10) == 0) {
    try {
      const bool actors = std::strcmp(argv[1], "--program=actors") == 0;
      if (actors) use_one_processor();
      auto runtime = manta::init(argc, argv, {.num_cpus = 2, .num_gpus = 0});
      if (actors)
        short_lives();
      else
        program(argv[2]);
      if (std::strcmp(argv[1], "--program=killed") == 0) {
        std::this_thread::sleep_for(50ms);
        ::kill(::getpid(), SIGKILL);
      }
    } catch (const manta::Error& error) {
      std::fprintf(stderr, "%s\n", error.what());
      return 1;
    }
    return 0;
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
