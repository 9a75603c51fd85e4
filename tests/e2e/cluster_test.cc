// Nodes join and leave: which nodes may join, which processes are notified, and what is left.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "tests/e2e/cluster_member.h"
#include "tests/e2e/outside.h"

namespace manta::e2e {
namespace {

using namespace std::chrono_literals;

const auto kLimit = 5s * slowness();

std::string name_after(int milliseconds) {
  ::usleep(static_cast<useconds_t>(milliseconds) * 1000);
  return node_name();
}

class Cluster : public ClusterTest {};

TEST_F(Cluster, NodesAreListed) {
  start(2);
  ASSERT_EQ(runtime_->nodes().size(), 1U);
  EXPECT_EQ(runtime_->nodes()[0].id, NodeId{1});
  EXPECT_EQ(runtime_->nodes()[0].num_cpus, 2);
  join("second", 3);
  const auto nodes = runtime_->nodes();
  ASSERT_EQ(nodes.size(), 2U);
  EXPECT_EQ(nodes[1].id, NodeId{2});
  EXPECT_EQ(nodes[1].num_cpus, 3);
  EXPECT_FALSE(nodes[1].host.empty());
  join("third");
  EXPECT_EQ(runtime_->nodes().size(), 3U);
}

TEST_F(Cluster, NothingListensUnlessAsked) {
  auto runtime = init(argc_of_main, argv_of_main, {.num_cpus = 1, .num_gpus = 0});
  EXPECT_EQ(runtime.address(), "");
  EXPECT_EQ(runtime.nodes().size(), 1U);
}

TEST_F(Cluster, JobOver) {
  start();
  MemberProcess member(member_arguments(runtime_->address(), "second", 1));
  ASSERT_TRUE(await_nodes(*runtime_, 2));
  runtime_.reset();
  EXPECT_EQ(member.status(kLimit), 0);
  EXPECT_EQ(member.errors(), "");
}

TEST_F(Cluster, JobOverLeavesNothing) {
  start();
  Session& session = join("second", 2);
  EXPECT_EQ(get(remote<name_after>.options({.node = id_of("second")})(0)), "second");
  session.look();
  EXPECT_EQ(session.named("manta-node").size(), 1U);
  EXPECT_GE(session.memories(), 2U);
  runtime_.reset();
  EXPECT_TRUE(session.driver_ends(kLimit));
  expect_nothing_left(session);
}

TEST_F(Cluster, AnotherSecretIsRefused) {
  start();
  const std::string file = "/tmp/manta-test-other-secret-" + std::to_string(::getpid());
  std::ofstream(file) << std::string(64, 'f') << '\n';
  ::chmod(file.c_str(), 0600);
  MemberProcess member(member_arguments(runtime_->address(), "second", 1), {"MANTA_SECRET_FILE=" + file});
  EXPECT_EQ(member.status(kLimit), 1);
  EXPECT_NE(member.errors().find("cannot join the cluster at " + runtime_->address()), std::string::npos)
      << member.errors();
  EXPECT_NE(member.errors().find("another cluster secret"), std::string::npos) << member.errors();
  EXPECT_EQ(runtime_->nodes().size(), 1U);
  ::chmod(file.c_str(), 0644);
  MemberProcess open(member_arguments(runtime_->address(), "second", 1), {"MANTA_SECRET_FILE=" + file});
  EXPECT_EQ(open.status(kLimit), 3);
  EXPECT_NE(open.errors().find("chmod 600 " + file), std::string::npos) << open.errors();
  MemberProcess none(member_arguments(runtime_->address(), "second", 1), {"MANTA_SECRET_FILE="});
  EXPECT_EQ(none.status(kLimit), 3);
  EXPECT_NE(none.errors().find("openssl rand -hex 32"), std::string::npos) << none.errors();
  ::unlink(file.c_str());
}

TEST_F(Cluster, HeadsNodeProcessIsKilled) {
  Session head({"--head-of-test"});
  ASSERT_TRUE(await_cell(0, 1));
  MemberProcess member(member_arguments("127.0.0.1:" + std::to_string(outside()[1].load()), "second", 1));
  ASSERT_TRUE(await_cell(2, 2));
  head.look();
  ::kill(head.named("manta-node").at(0), SIGKILL);
  EXPECT_EQ(member.status(kLimit), 1);
  EXPECT_NE(member.errors().find("lost the head's node"), std::string::npos) << member.errors();
  EXPECT_TRUE(head.driver_ends(kLimit));
  expect_nothing_left(head);
}

TEST_F(Cluster, DriverIsKilled) {
  Session head({"--head-of-test"});
  ASSERT_TRUE(await_cell(0, 1));
  MemberProcess member(member_arguments("127.0.0.1:" + std::to_string(outside()[1].load()), "second", 1));
  ASSERT_TRUE(await_cell(2, 2));
  head.look();
  ::kill(head.driver(), SIGKILL);
  EXPECT_EQ(member.status(kLimit), 0) << member.errors();  // for it the job is over
  expect_nothing_left(head);
}

// --- a node dies for any reason: its task runs again elsewhere, and nothing of it is left

int sleeper(int milliseconds) {
  ++outside()[10];
  if (node_name() == "second") {
    outside()[11] = ::getpid();
    if (milliseconds < 0) {
      const pid_t child = ::fork();
      if (child == 0) {
        ::execl("/bin/sleep", "sleep", "1000", nullptr);
        ::_exit(1);
      }
      for (;;) ::pause();
    }
  }
  return milliseconds;
}

enum class Death { node_process, guard, program, all_stopped };

class NodeDies : public ClusterTest, public testing::WithParamInterface<Death> {};

TEST_P(NodeDies, TasksRunElsewhere) {
  start();
  Session& session = join("second");
  auto task = remote<sleeper>.options({.node = id_of("second"), .node_soft = true})(-1);
  ASSERT_TRUE(await_cell(11, 1));
  for (int i = 0; i < 2000 && session.named("sleep").empty(); ++i) session.look();
  ASSERT_EQ(session.named("sleep").size(), 1U);
  const auto start = std::chrono::steady_clock::now();
  switch (GetParam()) {
    case Death::node_process:
      ::kill(session.named("manta-node").at(0), SIGKILL);
      break;
    case Death::guard:
      ::kill(session.named("manta-guard").at(0), SIGKILL);
      break;
    case Death::program:
      ::kill(session.driver(), SIGKILL);
      break;
    case Death::all_stopped:
      for (const char* name : {"manta-guard", "manta-node", "manta-zygote", "manta-worker"}) {
        for (const pid_t process : session.named(name)) ::kill(process, SIGSTOP);
      }
      ::kill(session.driver(), SIGSTOP);
      break;
  }
  EXPECT_EQ(get(task), -1);
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
  RecordProperty("retried_after_ms", static_cast<int>(took.count()));
  EXPECT_LT(took, 3s * slowness());
  EXPECT_EQ(outside()[10], 2);
  EXPECT_EQ(runtime_->nodes().size(), 1U);
  if (GetParam() == Death::all_stopped) {  // the cluster has done without it: when it goes on, it ends
    for (const char* name : {"manta-guard", "manta-node", "manta-zygote", "manta-worker"}) {
      for (const pid_t process : session.named(name)) ::kill(process, SIGCONT);
    }
    ::kill(session.driver(), SIGCONT);
  }
  EXPECT_TRUE(session.driver_ends(kLimit));
  expect_nothing_left(session);
  // The cluster goes on, and takes new nodes.
  join("again");
  EXPECT_EQ(id_of("again"), NodeId{3});
  EXPECT_EQ(get(remote<name_after>.options({.node = id_of("again")})(0)), "again");
}
INSTANTIATE_TEST_SUITE_P(By, NodeDies,
                         testing::Values(Death::node_process, Death::guard, Death::program, Death::all_stopped));

}  // namespace
}  // namespace manta::e2e
