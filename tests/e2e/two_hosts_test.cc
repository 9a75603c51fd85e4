// Two hosts: network namespaces of their own with a cable (a veth pair) between them, and host names of their own. The
// other host's CLOCK_MONOTONIC is kAhead in front (a time namespace), as hosts have been up for different times. All of
// it goes with the processes; nothing has a name in the file system.
#include <gtest/gtest.h>

#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include <manta/manta.h>

#include "tests/e2e/cluster_member.h"
#include "tests/e2e/outside.h"

namespace manta::e2e {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr int kSkipped = 77;
constexpr const char* kHere = "10.77.0.1";
constexpr const char* kThere = "10.77.0.2";
constexpr std::chrono::seconds kAhead{1000};

bool ip(const std::string& arguments) { return std::system(("ip " + arguments + " 2>/dev/null").c_str()) == 0; }

bool own_host(const char* name) {
  return ::unshare(CLONE_NEWNET | CLONE_NEWUTS) == 0 && ::sethostname(name, std::strlen(name)) == 0 &&
         ip("link set lo up");
}

// From the next exec on. False: this kernel cannot do that; then both hosts have one clock.
bool own_clock() {
  return ::unshare(CLONE_NEWTIME) == 0 &&
         static_cast<bool>(std::ofstream("/proc/self/timens_offsets") << "monotonic " << kAhead.count() << " 0\n"
                                                                      << std::flush);
}

// The other host: a process that takes part in nothing but makes the namespace, then becomes a node.
class OtherHost {
 public:
  OtherHost() {
    if (::pipe(go_) != 0 || ::pipe(up_) != 0) std::abort();
    pid_ = ::fork();
    if (pid_ == 0) live();
    ::close(go_[0]);
    ::close(up_[1]);
    char c = 0;
    ok_ = ::read(up_[0], &c, 1) == 1 &&
          ip("link add manta0 type veth peer name manta1 netns " + std::to_string(pid_)) &&
          ip(std::string("addr add ") + kHere + "/24 dev manta0") && ip("link set manta0 up");
    tell("cable");
    ok_ = ok_ && ::read(up_[0], &c, 1) == 1;
  }
  ~OtherHost() {
    ::close(go_[1]);
    ::close(up_[0]);
    end();
  }
  bool ok() const { return ok_; }
  void join(const std::string& address) { tell(address); }
  // Exit status; -1: by a signal, -2: not yet.
  int status(std::chrono::milliseconds limit) {
    const auto deadline = Clock::now() + limit;
    int status = 0;
    while (pid_ > 0 && ::waitpid(pid_, &status, WNOHANG) == 0) {
      if (Clock::now() > deadline) return -2;
      ::usleep(1000);
    }
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  pid_t pid() const { return pid_; }

 private:
  void end() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  void tell(const std::string& text) { (void)!::write(go_[1], (text + "\n").data(), text.size() + 1); }
  std::string hear() {
    std::string text;
    for (char c = 0; ::read(go_[0], &c, 1) == 1 && c != '\n';) text += c;
    return text;
  }
  [[noreturn]] void live() {
    ::close(go_[1]);
    ::close(up_[0]);
    if (!own_host("other-host") || ::write(up_[1], "1", 1) != 1 || hear() != "cable" ||
        !ip(std::string("addr add ") + kThere + "/24 dev manta1") || !ip("link set manta1 up") ||
        ::write(up_[1], "1", 1) != 1) {
      ::_exit(1);
    }
    const std::string address = hear();
    ::close(go_[0]);
    ::close(up_[1]);
    if (address.empty()) ::_exit(0);
    (void)own_clock();
    std::vector<std::string> words = member_arguments(address, "other", 2);
    std::vector<char*> argv{const_cast<char*>("/proc/self/exe")};
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  int go_[2], up_[2];
  pid_t pid_ = 0;
  bool ok_ = false;
};

std::string where() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return node_name() + " on " + name;
}
struct Tally {
  int add(int n) { return total += n; }
  std::string host() const { return where(); }
  int total = 0;
};
std::vector<double> made(std::size_t n) {
  std::vector<double> all(n);
  std::iota(all.begin(), all.end(), 0.0);
  return all;
}
double total(const std::vector<double>& all) { return std::accumulate(all.begin(), all.end(), 0.0); }
int nothing(int x) { return x; }
std::string slow() {
  ++outside()[0];
  if (node_name() == "other") {
    for (;;) ::pause();
  }
  return where();
}

class TwoHosts : public testing::Test {
 protected:
  void SetUp() override {
    outside().clear();
    other_.emplace();
    if (!other_->ok()) GTEST_SKIP() << "no cable between network namespaces can be made here (veth, iproute2)";
    started();
    runtime_.emplace(init(argc_of_main, argv_of_main, {.num_cpus = 1, .num_gpus = 0, .listen = "10.77.0.1:0"}));
    other_->join(runtime_->address());
    ASSERT_TRUE(await_nodes(*runtime_, 2));
  }
  void TearDown() override {
    runtime_.reset();
    other_.reset();
    (void)ip("link del manta0");
  }
  // The other host's process is there, and no node yet.
  virtual void started() {}
  static constexpr TaskOptions kThere{.node = NodeId{2}};
  std::optional<OtherHost> other_;
  std::optional<Runtime> runtime_;
};

TEST_F(TwoHosts, TasksAndObjects) {
  EXPECT_EQ(runtime_->nodes()[1].host, "other-host");
  EXPECT_EQ(get(remote<where>.options(kThere)()), "other on other-host");
  EXPECT_EQ(get(remote<where>()), "head on this-host");
  constexpr std::size_t kNumbers = 4 << 20;  // 32 MiB
  const auto mine = put(made(kNumbers));
  EXPECT_EQ(get(remote<total>.options(kThere)(mine)), total(made(kNumbers)));
  auto theirs = remote<made>.options(kThere)(kNumbers);
  EXPECT_TRUE(get(theirs) == made(kNumbers));
  runtime_.reset();
  EXPECT_EQ(other_->status(10s), 0);
}

class TwoHostsTimed : public TwoHosts {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_);
    ::setenv("MANTA_TIMELINE", (folder_ / "other.json").c_str(), 1);  // of the other host's process, which begins now
    TwoHosts::SetUp();
  }
  void started() override { ::setenv("MANTA_TIMELINE", (folder_ / "here.json").c_str(), 1); }
  void TearDown() override {
    TwoHosts::TearDown();
    ::unsetenv("MANTA_TIMELINE");
    std::filesystem::remove_all(folder_);
  }
  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("manta-two-hosts-" + std::to_string(::getpid()));
};

TEST_F(TwoHostsTimed, FilesOfBothHostsMakeOneTimeline) {
  // The node compares the clocks when it joins. Its questions and their answers keep their order with its tasks'
  // messages, so each of these calls is behind one of them.
  for (int i = 0; i < 10; ++i) (void)get(remote<nothing>.options(kThere)(i));
  const auto microseconds = [](Clock::time_point at) {
    return std::chrono::duration<double, std::micro>(at.time_since_epoch()).count();
  };
  const double begin = microseconds(Clock::now());
  EXPECT_EQ(get(remote<total>.options(kThere)(std::vector<double>{1, 2, 3})), 6);
  EXPECT_EQ(get(remote<total>(std::vector<double>{1, 2})), 3);
  const double end = microseconds(Clock::now());
  runtime_.reset();
  EXPECT_EQ(other_->status(10s), 0);
  // As docs/debugging.md says.
  const std::string all = folder_ / "all.json";
  ASSERT_EQ(std::system(
                ("cd " + folder_.string() + " && (echo '['; sed '/^\\[$/d' other.json here.json) > all.json").c_str()),
            0);
  std::ifstream in(all);
  std::map<std::int64_t, double> ran;  // when, by the process' number
  for (const auto& event : nlohmann::json::parse(in)) {
    if (event.at("ph") == "X" && event.at("name").get<std::string>().ends_with("total"))
      ran[event.at("pid").get<std::int64_t>()] = event.at("ts").get<double>();
  }
  ASSERT_EQ(ran.size(), 2U) << "in a worker of each node";
  EXPECT_LT(ran.begin()->first, 10'000'000);
  EXPECT_GT(ran.rbegin()->first, 20'000'000) << "node 2";
  for (const auto& [process, at] : ran) {
    EXPECT_GT(at, begin) << process;
    EXPECT_LT(at, end) << process;
  }
  EXPECT_LT(ran.rbegin()->second, ran.begin()->second) << "it was over before the other one was submitted";
}

TEST_F(TwoHosts, Speed) {
  (void)get(remote<nothing>.options(kThere)(0));
  constexpr int kCalls = 300;
  auto start = Clock::now();
  for (int i = 0; i < kCalls; ++i) ASSERT_EQ(get(remote<nothing>.options(kThere)(i)), i);
  const double round_trip = std::chrono::duration<double, std::micro>(Clock::now() - start).count() / kCalls;
  std::vector<Ref<int>> refs;
  start = Clock::now();
  for (int i = 0; i < 20 * kCalls; ++i) refs.push_back(remote<nothing>.options(kThere)(i));
  for (auto& ref : refs) (void)get(ref);
  const double rate = 20 * kCalls / std::chrono::duration<double>(Clock::now() - start).count();
  constexpr std::size_t kNumbers = 32 << 20;
  auto theirs = remote<made>.options(kThere)(kNumbers);
  std::vector<Ref<std::vector<double>>> waited{theirs};
  (void)wait(waited);
  start = Clock::now();
  EXPECT_EQ(get(theirs).size(), kNumbers);
  const double rest = std::chrono::duration<double>(Clock::now() - start).count();
  start = Clock::now();
  EXPECT_EQ(get(theirs).size(), kNumbers);  // its copy is here: what decoding costs
  const double decoding = std::chrono::duration<double>(Clock::now() - start).count();
  std::printf("round trip of a task %.0f us; %.0f tasks/s ahead; objects %.0f MB/s (with decoding %.0f)\n", round_trip,
              rate, 8e-6 * kNumbers / (rest - decoding), 8e-6 * kNumbers / rest);
}

// Nothing says that the host is gone: packets just do not arrive any more.
TEST_F(TwoHosts, CableIsCut) {
  auto task = remote<slow>.options({.node = NodeId{2}, .node_soft = true})();
  ASSERT_TRUE(await_cell(0, 1));
  const auto start = Clock::now();
  ASSERT_TRUE(ip("link set manta0 down"));
  EXPECT_EQ(get(task), "head on this-host");
  EXPECT_LT(Clock::now() - start, 3s * slowness());
  EXPECT_EQ(runtime_->nodes().size(), 1U);
  EXPECT_EQ(other_->status(5s * slowness()), 1);  // the other side has noticed too
}

TEST_F(TwoHosts, AnActorIsCalledAndMovesWhenItsHostIsKilled) {
  const auto bound = actor<Tally>.options({.node = NodeId{2}})();
  const auto moves =
      actor<Tally>.options({.max_restarts = 1, .max_task_retries = 1, .node = NodeId{2}, .node_soft = true})();
  for (int i = 1; i <= 100; ++i) ASSERT_EQ(get(bound.call<&Tally::add>(1)), i);
  EXPECT_EQ(get(moves.call<&Tally::host>()), "other on other-host");
  ::kill(other_->pid(), SIGKILL);
  std::string host = "other on other-host";
  while (host == "other on other-host") host = get(moves.call<&Tally::host>());  // until it is dead
  EXPECT_EQ(host, "head on this-host");
  EXPECT_EQ(try_get(bound.call<&Tally::add>(1)).error().code(), ErrorCode::actor_died);
}

TEST_F(TwoHosts, HostIsKilled) {
  auto task = remote<slow>.options({.node = NodeId{2}, .node_soft = true})();
  ASSERT_TRUE(await_cell(0, 1));
  ::kill(other_->pid(), SIGKILL);
  EXPECT_EQ(get(task), "head on this-host");
}

}  // namespace
}  // namespace manta::e2e

int main(int argc, char** argv) {
  using namespace manta::e2e;
  prepare_outside();
  prepare_member(argc, argv);
  if (!own_host("this-host")) {
    std::printf("skipped: network namespaces are not permitted here (run as root)\n");
    return kSkipped;
  }
  const std::string secret = "/tmp/manta-test-secret-" + std::to_string(::getpid());
  std::ofstream(secret) << std::string(64, 'e') << '\n';
  ::chmod(secret.c_str(), 0600);
  ::setenv("MANTA_SECRET_FILE", secret.c_str(), 1);
  ::testing::InitGoogleTest(&argc, argv);
  const int result = RUN_ALL_TESTS();
  ::unlink(secret.c_str());
  return result;
}
