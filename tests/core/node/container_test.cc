// Limits of control groups, read from trees of files as containers see them.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "core/node/container.h"

namespace manta::node {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMiB = 1 << 20;

class ContainerTest : public testing::Test {
 protected:
  ContainerTest() {
    std::string name = (fs::temp_directory_path() / "manta-container-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
    write("proc/meminfo", "MemTotal:       8388608 kB\nMemFree:  1 kB\nMemAvailable:   4194304 kB\n");
    write("proc/vmstat", "nr_free_pages 17\noom_kill 3\n");
  }
  ~ContainerTest() override { fs::remove_all(root_); }

  void write(const fs::path& file, const std::string& text) const {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  // Version 2 mounted at /sys/fs/cgroup, from the group on; the process is in the other one.
  void version2(const std::string& mounted, const std::string& process) const {
    write("proc/self/cgroup", "0::" + process + "\n");
    write("proc/self/mountinfo", "22 1 0:20 / /proc rw - proc proc rw\n30 23 0:26 " + mounted +
                                     " /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
  }
  void version1(const std::string& mounted, const std::string& process) const {
    write("proc/self/cgroup", "5:memory:" + process + "\n3:cpu,cpuacct:" + process + "\n0::/\n");
    write("proc/self/mountinfo", "32 31 0:29 " + mounted +
                                     " /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n35 31 0:32 " +
                                     mounted +
                                     " /sys/fs/cgroup/memory rw shared:4 - cgroup cgroup rw,memory\n"
                                     "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  }
  Container container() const { return Container(root_); }

  fs::path root_;
};

TEST_F(ContainerTest, WithoutLimitsTheMachineCounts) {
  version2("/", "/");
  EXPECT_EQ(container().cpu_quota(), std::nullopt);
  EXPECT_EQ(container().memory_limit(), std::nullopt);
  const auto use = container().memory_use();
  ASSERT_TRUE(use);
  EXPECT_EQ(use->total_bytes, 8192 * kMiB);
  EXPECT_EQ(use->used_bytes, 4096 * kMiB);
  EXPECT_EQ(container().memory_kills(), 3U);
}

TEST_F(ContainerTest, WithoutControlGroupsTheMachineCounts) {
  EXPECT_EQ(container().cpu_quota(), std::nullopt);
  ASSERT_TRUE(container().memory_use());
  EXPECT_EQ(container().memory_use()->total_bytes, 8192 * kMiB);
}

TEST_F(ContainerTest, Version2InAContainer) {  // its own group is the root that it sees
  version2("/", "/");
  write("sys/fs/cgroup/cpu.max", "50000 100000\n");
  write("sys/fs/cgroup/memory.max", "536870912\n");
  write("sys/fs/cgroup/memory.current", "314572800\n");
  write("sys/fs/cgroup/memory.stat", "anon 1\ninactive_file 104857600\nactive_file 7\n");
  write("sys/fs/cgroup/memory.events", "low 0\nhigh 0\nmax 12\noom 2\noom_kill 2\n");
  EXPECT_EQ(container().cpu_quota(), 0.5);
  EXPECT_EQ(container().memory_limit(), 512 * kMiB);
  EXPECT_EQ(container().memory_use()->used_bytes, 200 * kMiB);
  EXPECT_EQ(container().memory_use()->total_bytes, 512 * kMiB);
  EXPECT_EQ(container().memory_kills(), 2U);
}

TEST_F(ContainerTest, Version2TheLeastOfAllAncestors) {
  version2("/", "/user.slice/job/step");
  write("sys/fs/cgroup/user.slice/job/step/cpu.max", "max 100000\n");
  write("sys/fs/cgroup/user.slice/job/cpu.max", "250000 100000\n");
  write("sys/fs/cgroup/user.slice/cpu.max", "800000 100000\n");
  write("sys/fs/cgroup/user.slice/job/step/memory.max", "max\n");
  write("sys/fs/cgroup/user.slice/job/step/memory.events", "oom_kill 7\n");
  write("sys/fs/cgroup/user.slice/job/memory.max", "1073741824\n");
  write("sys/fs/cgroup/user.slice/job/memory.current", "104857600\n");
  write("sys/fs/cgroup/user.slice/memory.max", "2147483648\n");
  write("sys/fs/cgroup/user.slice/memory.current", "2147483648\n");
  EXPECT_EQ(container().cpu_quota(), 2.5);
  EXPECT_EQ(container().memory_limit(), 1024 * kMiB);
  EXPECT_EQ(container().memory_use()->total_bytes, 2048 * kMiB) << "that group has nothing left";
  EXPECT_EQ(container().memory_kills(), 7U);
}

TEST_F(ContainerTest, Version1WithTheContainersGroupMounted) {
  version1("/docker/ab12", "/docker/ab12");
  write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "150000\n");
  write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n");
  write("sys/fs/cgroup/memory/memory.usage_in_bytes", "419430400\n");
  write("sys/fs/cgroup/memory/memory.stat",
        "inactive_file 1\nhierarchical_memory_limit 536870912\ntotal_inactive_file 104857600\n");
  write("sys/fs/cgroup/memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n");
  EXPECT_EQ(container().cpu_quota(), 1.5);
  EXPECT_EQ(container().memory_limit(), 512 * kMiB);
  EXPECT_EQ(container().memory_use()->used_bytes, 300 * kMiB);
  EXPECT_EQ(container().memory_kills(), 4U);
}

TEST_F(ContainerTest, Version1AncestorsAndWhatIsHiddenAboveThem) {
  version1("/", "/jobs/a");
  write("sys/fs/cgroup/cpu,cpuacct/jobs/a/cpu.cfs_quota_us", "-1\n");
  write("sys/fs/cgroup/cpu,cpuacct/jobs/a/cpu.cfs_period_us", "100000\n");
  write("sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_quota_us", "300000\n");
  write("sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_period_us", "100000\n");
  write("sys/fs/cgroup/memory/jobs/a/memory.limit_in_bytes", "9223372036854771712\n");
  write("sys/fs/cgroup/memory/jobs/a/memory.usage_in_bytes", "1048576\n");
  write("sys/fs/cgroup/memory/jobs/a/memory.stat", "hierarchical_memory_limit 2147483648\n");
  EXPECT_EQ(container().cpu_quota(), 3.0);
  EXPECT_EQ(container().memory_limit(), 2048 * kMiB);
}

TEST_F(ContainerTest, ALimitAboveTheMachinesMemoryIsNone) {
  version1("/", "/");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  write("sys/fs/cgroup/memory/memory.usage_in_bytes", "1048576\n");
  EXPECT_EQ(container().memory_limit(), std::nullopt);
  EXPECT_EQ(container().memory_use()->total_bytes, 8192 * kMiB);
}

TEST_F(ContainerTest, GroupsOutsideOfWhatIsMountedFallBackToTheMount) {
  version2("/kubepods/pod1", "/../pod2");
  write("sys/fs/cgroup/cpu.max", "200000 100000\n");
  EXPECT_EQ(container().cpu_quota(), 2.0);
}

TEST(DefaultCpus, AQuotaIsRoundedUpAndNeverBelowOne) {
  EXPECT_EQ(default_cpus(8, std::nullopt), 8);
  EXPECT_EQ(default_cpus(8, 0.5), 1);
  EXPECT_EQ(default_cpus(8, 0.001), 1);
  EXPECT_EQ(default_cpus(8, 1.0), 1);
  EXPECT_EQ(default_cpus(8, 1.5), 2);
  EXPECT_EQ(default_cpus(8, 3.0), 3);
  EXPECT_EQ(default_cpus(2, 16.0), 2);
  EXPECT_EQ(default_cpus(0, std::nullopt), 1);
}

}  // namespace
}  // namespace manta::node
