// What waits says so: see tests/support/waits.h. And limits, costs and failures, in whole programs likewise.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <manta/manta.h>

#include "tests/e2e/program_run.h"
#include "tests/support/waits.h"

namespace {

using namespace std::chrono_literals;
using manta::e2e::expect_late;
using manta::e2e::hold;
using manta::e2e::Holder;
using manta::e2e::kHeldByHolder;
using manta::e2e::ProgramRun;
using manta::e2e::run_program;
using manta::e2e::say;
using manta::e2e::WaitRow;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

int work(int n) { return n; }
int waits_for_two() { return manta::get(manta::remote<work>.options({.num_cpus = 2})(1)); }
manta::Generator<int> begins_and_sleeps(int seconds) {
  co_yield 0;
  std::this_thread::sleep_for(std::chrono::seconds(seconds));
}
int sleeps(int seconds) {
  std::this_thread::sleep_for(std::chrono::seconds(seconds));
  return seconds;
}

void limit(decltype(RLIMIT_NOFILE) resource, rlim_t value) {
  const rlimit limits{value, value};
  ::setrlimit(resource, &limits);
}

// More than the limit of descriptors or processes lets live.
void make_40_actors() {
  std::vector<manta::Actor<Holder>> actors;
  for (int i = 0; i < 40; ++i) actors.push_back(manta::actor<Holder>());
  for (auto& actor : actors) {
    const auto result = manta::try_get(actor.call<&Holder::holds>(), manta::e2e::kWaitDeadline);
    if (!result) return manta::e2e::say_over(result.error().what());
  }
}

// --- a full disk

using Words = std::vector<std::uint64_t>;
constexpr std::uint64_t kDisk = 8 << 20;
constexpr int kObject = (4 << 20) / sizeof(std::uint64_t);
Words many_words(int n) { return Words(static_cast<std::size_t>(n)); }
int size_of(const Words& words) { return static_cast<int>(words.size()); }
struct Shelf {
  std::vector<manta::Ref<Words>> words;
};
struct Reader {
  int size(const Words& words) { return size_of(words); }
};
int size_inside(const Shelf& shelf) { return size_of(manta::get(shelf.words.front())); }

// On /tmp, of this program alone; where that is not permitted, a limit on the size of files stands for it.
bool small_disk = false;
void make_small_disk() {
  const std::string size = "size=" + std::to_string(kDisk);
  small_disk = ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
               ::mount("tmpfs", "/tmp", "tmpfs", 0, size.c_str()) == 0;
}
// Of 32 MiB in objects of 4 MiB; the first ones lie on the disk, which is full too.
std::vector<manta::Ref<Words>> fill_store_and_disk() {
  if (!small_disk) limit(RLIMIT_FSIZE, kDisk);
  std::vector<manta::Ref<Words>> refs;
  try {
    for (int i = 0; i < 40; ++i) refs.push_back(manta::put(many_words(kObject)));
  } catch (const manta::Error& error) {
    say(std::string("put: ") + error.what());
  }
  return refs;
}

const std::string kNoSpace =
    " waits: it asks for 4[.]0 MiB of the object store, of 32[.]0 MiB here [0-9.]+ [KM]?i?B (is|are) free, and objects "
    "cannot be spilled to /tmp: (No space left on device|File too large);.*; held by process [0-9]+ with 2[0-9.]+ MiB; "
    "drop references to objects, or raise InitOptions::store_capacity_bytes";

// clang-format off
const std::vector<WaitRow> rows{
  {"task_cpu", {.num_cpus = 2}, {}, [] {
     auto holder = manta::actor<Holder>.options({.num_cpus = 2})();
     hold(holder);
     std::vector<manta::Ref<int>> refs;
     for (int i = 0; i < 10'000; ++i) refs.push_back(manta::remote<work>(i));
     expect_late(refs.front());
   }, "task [^;]*work and 9999 more wait: the first asks for CPU: 1, of CPU: 2 here 0 is free; " + kHeldByHolder + "; .*InitOptions::num_cpus"},
  {"task_behind_a_task", {.num_cpus = 1}, {}, [] {
     (void)manta::get(manta::remote<work>(0));  // there is a worker, which takes the next task at once
     auto first = manta::remote<begins_and_sleeps>(4);
     (void)first.next();
     expect_late(manta::remote<work>(1));
   }, "task [^;]*work waits: it asks for CPU: 1, of CPU: 1 here 0 is free; held by task [^;]*begins_and_sleeps in process"},
  {"task_in_a_task", {.num_cpus = 2}, {}, [] {
     auto holder = manta::actor<Holder>.options({.num_cpus = 1})();
     hold(holder);
     expect_late(manta::remote<waits_for_two>());
   }, "worker [0-9]+ warn\\] task [^;]*work waits: it asks for CPU: 2, of CPU: 2 here 1 is free; " + kHeldByHolder, false},
  {"actor_cpu", {.num_cpus = 1}, {}, [] {
     auto holder = manta::actor<Holder>.options({.num_cpus = 1})();
     hold(holder);
     auto waiting = manta::actor<Holder>.options({.num_cpus = 1})();
     expect_late(waiting.call<&Holder::holds>());
   }, "actor [^;]*Holder[^;]* waits: it asks for CPU: 1, of CPU: 1 here 0 is free; " + kHeldByHolder},
  {"actors_gpu", {.num_cpus = 2, .num_gpus = 1}, {}, [] {
     auto holder = manta::actor<Holder>.options({.num_gpus = 1})();
     hold(holder);
     std::vector<manta::Actor<Holder>> waiting;
     for (int i = 0; i < 10; ++i) waiting.push_back(manta::actor<Holder>.options({.num_gpus = 0.5})());
     expect_late(waiting.front().call<&Holder::holds>());
   }, "Holder and 9 more wait: the first asks for GPU: 0.5, of GPU: 1 here 0 is free; " + kHeldByHolder + "; .*InitOptions::num_gpus"},
  {"task_memory", {.num_cpus = 2, .memory_bytes = 1 << 30}, {}, [] {
     auto holder = manta::actor<Holder>.options({.memory_bytes = 1 << 30})();
     hold(holder);
     expect_late(manta::remote<work>.options({.memory_bytes = 1 << 20})(1));
   }, "memory: 1.0 MiB, of memory: 1.0 GiB here 0 B is free; " + kHeldByHolder + "; .*InitOptions::memory_bytes"},
  {"task_named", {.num_cpus = 2, .resources = {{{"license", 1}}}}, {}, [] {
     auto holder = manta::actor<Holder>.options({.resources = {{{"license", 1}}}})();
     hold(holder);
     expect_late(manta::remote<work>.options({.resources = {{{"license", 1}}}})(1));
   }, "asks for license: 1, of license: 1 here 0 is free; " + kHeldByHolder + "; .*InitOptions::resources"},
  {"actor_workers", {.num_cpus = 2, .max_workers = 2}, {}, [] {
     auto one = manta::actor<Holder>();
     auto two = manta::actor<Holder>();
     hold(one);
     hold(two);
     auto three = manta::actor<Holder>();
     expect_late(three.call<&Holder::holds>());
   }, "actor [^;]*Holder[^;]* waits: all 2 worker processes of this node are in use.*" + kHeldByHolder + ".*InitOptions::max_workers"},
  {"group", {.num_cpus = 2}, {}, [] {
     auto holder = manta::actor<Holder>.options({.num_cpus = 1})();
     hold(holder);
     const manta::PlacementGroup group({{.num_cpus = 1}, {.num_cpus = 1}}, manta::GroupStrategy::strict_pack);
     expect_late(group.ready());
   }, "placement group waits: a bundle asks for CPU: 1, of CPU: 2 here . is free; " + kHeldByHolder},
  {"descriptors", {.num_cpus = 2}, [] { limit(RLIMIT_NOFILE, 64); }, make_40_actors, "Too many open files.*ulimit -n"},
  {"processes", {.num_cpus = 2}, [] {
     // Root has no such limit, and a second run at the same time must not be counted.
     const auto user = static_cast<uid_t>(100'000 + ::getpid());
     if (::getuid() == 0 && ::setgid(user) == 0) (void)!::setuid(user);
     ::prctl(PR_SET_DUMPABLE, 1);  // or /proc/self is not its own any more
     limit(RLIMIT_NPROC, 24);
   }, make_40_actors, "Resource temporarily unavailable.*ulimit -u"},
  {"task_full_disk", {.num_cpus = 2, .store_capacity_bytes = 32 << 20, .spill_directory = "/tmp"}, make_small_disk, [] {
     const auto refs = fill_store_and_disk();
     expect_late(manta::remote<size_of>(refs.front()));
   }, "task [^;]*size_of" + kNoSpace},
  {"actor_full_disk", {.num_cpus = 2, .store_capacity_bytes = 32 << 20, .spill_directory = "/tmp"}, make_small_disk, [] {
     auto reader = manta::actor<Reader>();
     (void)manta::get(reader.call<&Reader::size>(Words()));
     const auto refs = fill_store_and_disk();
     expect_late(reader.call<&Reader::size>(refs.front()));
   }, "call of [^;]*size" + kNoSpace},
  {"value_full_disk", {.num_cpus = 2, .store_capacity_bytes = 32 << 20, .spill_directory = "/tmp"}, make_small_disk, [] {
     const auto refs = fill_store_and_disk();
     expect_late(manta::remote<size_inside>(Shelf{{refs.front()}}));
   }, "object [^;]*" + kNoSpace, false},
};
// clang-format on

// --- limits that refuse at once

void without_address_space() {
  for (int i = 0; i < 3; ++i) {
    try {
      (void)manta::put(many_words(1 << 17));
      say("stored");
    } catch (const manta::Error& error) {
      say(std::string("put: ") + error.what());
    }
    const auto result = manta::try_get(manta::remote<many_words>.options({.max_retries = 0})(1 << 17), 20s);
    say(result ? "returned" : std::string("result: ") + result.error().what());
  }
  say("small: " + std::to_string(manta::get(manta::remote<work>(5), 20s)));
}

// --- costs

long cpu_ticks_of(pid_t process) {
  std::ifstream stat("/proc/" + std::to_string(process) + "/stat");
  const std::string text{std::istreambuf_iterator<char>(stat), {}};
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string field;
  for (int i = 0; i < 11; ++i) fields >> field;
  long user = 0, system = 0;
  fields >> user >> system;
  return user + system;
}

struct Child {
  int node() { return static_cast<int>(::getppid()); }
};

// What the node process' CPU does for the end of so many actors, in seconds.
void drop_actors(int count) {
  std::vector<manta::Actor<Child>> actors;
  for (int i = 0; i < count; ++i) actors.push_back(manta::actor<Child>());
  std::vector<manta::Ref<int>> refs;
  for (auto& actor : actors) refs.push_back(actor.call<&Child::node>());
  const pid_t node = manta::get(refs).front();
  const long before = cpu_ticks_of(node);
  say("dropped");
  actors.clear();
  std::string children = "/proc/" + std::to_string(node) + "/task/" + std::to_string(node) + "/children";
  for (const auto end = std::chrono::steady_clock::now() + 20s; std::chrono::steady_clock::now() < end;) {
    std::ifstream file(children);
    const auto left = std::distance(std::istream_iterator<int>(file), {});
    if (left <= 4) break;  // the zygote and warm workers
    std::this_thread::sleep_for(1ms);
  }
  say("seconds: " +
      std::to_string(static_cast<double>(cpu_ticks_of(node) - before) / static_cast<double>(::sysconf(_SC_CLK_TCK))));
}

// --- failures that nothing reads

int fails(int n) { throw std::runtime_error("no luck\nwith " + std::to_string(n)); }
struct Failing {
  Failing() { throw std::runtime_error("not made"); }
  int fine() { return 1; }
};
struct Throwing {
  int fails() { throw std::runtime_error("called in vain"); }
};

void unread() {
  for (int i = 0; i < 100; ++i) (void)manta::remote<fails>(i);
  const auto never = manta::actor<Failing>();
  auto throwing = manta::actor<Throwing>();
  (void)throwing.call<&Throwing::fails>();
  const auto last = throwing.call<&Throwing::fails>();
  manta::wait(std::vector{last});
  const auto kept = manta::remote<fails>.options({.name = "kept"})(1);
  (void)manta::get(manta::remote<work>(1));
  while (!kept.ready()) std::this_thread::sleep_for(1ms);
  say("the end");
  manta::e2e::row_runtime().shutdown();  // a Ref is left
}

void read_all() {
  std::vector<manta::Ref<int>> refs;
  for (int i = 0; i < 20; ++i) refs.push_back(manta::remote<fails>(i));
  for (const auto& ref : refs) (void)manta::try_get(ref);
  auto cancelled = manta::remote<sleeps>(20);
  manta::cancel(cancelled);
  auto failing = manta::actor<Failing>();
  (void)manta::try_get(failing.call<&Failing::fine>());
}

const std::vector<WaitRow> others{
    {"no_address_space",
     {.num_cpus = 2, .store_capacity_bytes = 3LL << 30},
     [] { limit(RLIMIT_AS, 2ULL << 30); },
     without_address_space},
    {"no_file_size", {.num_cpus = 2}, [] { limit(RLIMIT_FSIZE, 1 << 20); }, [] {}},
    {"drop_200", {.num_cpus = 2, .max_workers = 2000}, {}, [] { drop_actors(200); }},
    {"drop_1400", {.num_cpus = 2, .max_workers = 2000}, {}, [] { drop_actors(1400); }},
    {"unread", {.num_cpus = 2}, {}, unread},
    {"read_all", {.num_cpus = 2}, {}, read_all},
};

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

TEST(Stalls, WhatWaitsSaysSo) { manta::e2e::expect_lines(rows); }

TEST(Limits, AddressSpaceIsNamedByEveryAttempt) {
  const ProgramRun run = run_program({"--program=no_address_space"});
  EXPECT_TRUE(run.in_time);
  EXPECT_EQ(count(run.err, "put: "), 3u) << run.err;
  EXPECT_EQ(count(run.err, "result: "), 3u) << run.err;
  EXPECT_EQ(count(run.err, "ulimit -v"), 6u) << run.err;
  EXPECT_THAT(run.err, Not(HasSubstr("Bad file descriptor")));
  EXPECT_THAT(run.err, HasSubstr("small: 5\n"));
}

TEST(Limits, FileSizeIsNamedAtTheStart) {
  const ProgramRun run = run_program({"--program=no_file_size"});
  EXPECT_THAT(run.err,
              ContainsRegex("init: ulimit -f allows files of 1.0 MiB, but an object store of .* needs .*; raise it"));
}

TEST(DroppedActors, CostTheNodeLittle) {
  const char* zygote = std::getenv("MANTA_ZYGOTE");
  if (zygote != nullptr && std::string_view(zygote) == "exec") GTEST_SKIP() << "200 processes that execute the program";
  const ProgramRun run = run_program({"--program=drop_200"});
  EXPECT_TRUE(run.in_time);
  const std::size_t seconds = run.err.find("seconds: ");
  ASSERT_NE(seconds, std::string::npos);
  EXPECT_LE(std::stod(run.err.substr(seconds + 9)), 0.3);
}

TEST(UnreadFailures, AreOneWarningOfAKindAndACount) {
  const ProgramRun run = run_program({"--program=unread"});
  EXPECT_TRUE(run.in_time);
  EXPECT_EQ(count(run.err, "warn] task fails failed, and nothing has read its result: "), 1u) << run.err;
  EXPECT_THAT(
      run.err,
      ContainsRegex(
          "warn\\] task fails failed [0-9]+ more times, and nothing has read the results; the last: .*no luck"));
  EXPECT_THAT(run.err, Not(HasSubstr("\nwith "))) << "an error's first line is enough";
  EXPECT_EQ(count(run.err, "warn] actor Failing failed, and nothing has read its result: "), 1u) << run.err;
  EXPECT_THAT(run.err, ContainsRegex("not made"));
  EXPECT_EQ(count(run.err, "called in vain"), 1u) << run.err;
  const std::size_t end = run.err.find("the end\n");
  ASSERT_NE(end, std::string::npos);
  EXPECT_EQ(count(run.err.substr(end), "task kept failed, and nothing has read its result: "), 1u) << run.err;
}

TEST(UnreadFailures, NothingIsSaidOfWhatIsReadOrCancelled) {
  const ProgramRun run = run_program({"--program=read_all"});
  EXPECT_TRUE(run.in_time);
  EXPECT_EQ(run.err, "");
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<WaitRow> programs = rows;
  programs.insert(programs.end(), others.begin(), others.end());
  if (const auto status = manta::e2e::run_wait_row(argc, argv, programs)) return *status;
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
