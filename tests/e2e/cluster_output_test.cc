// What workers of another node print, as the driver shows it.
#include <gmock/gmock.h>

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/e2e/cluster_member.h"

namespace manta::e2e {
namespace {

using ::testing::HasSubstr;

int says(int n) {
  std::printf("said on %s\n", node_name().c_str());
  std::fprintf(stderr, "complained on %s\n", node_name().c_str());
  return n;
}
void dies_saying(int) {
  (void)!::write(1, "half a line", 11);
  ::kill(::getpid(), SIGKILL);
}
std::string variable(int) {
  const char* value = std::getenv("MANTA_TEST_A");
  return node_name() + " " + (value != nullptr ? value : "none");
}

class ClusterOutput : public ClusterTest {};

TEST_F(ClusterOutput, ComesWithTheHostsName) {
  if (std::getenv("MANTA_ROLE") == nullptr) {  // a worker that was executed comes by here too
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
  }
  start(1);
  join("b", 1);
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  EXPECT_EQ(get(remote<says>(1)), 1);
  EXPECT_EQ(get(remote<says>.options({.node = id_of("b")})(2)), 2);
  (void)try_get(remote<dies_saying>.options({.max_retries = 0, .node = id_of("b")})(1));
  runtime_.reset();
  const std::string out = ::testing::internal::GetCapturedStdout();
  const std::string err = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(out, ::testing::ContainsRegex("says pid=[0-9]+\\) said on head\n"));
  EXPECT_THAT(out, ::testing::ContainsRegex("says pid=[0-9]+, host=" + std::string(host) + "\\) said on b\n"));
  EXPECT_THAT(out, HasSubstr("host=" + std::string(host) + ") half a line\n"));
  EXPECT_THAT(err, ::testing::ContainsRegex("says pid=[0-9]+, host=" + std::string(host) + "\\) complained on b\n"));
}

TEST_F(ClusterOutput, EnvironmentsReachOtherNodes) {
  start(1);
  join("b", 1);
  EXPECT_EQ(get(remote<variable>.options({.node = id_of("b"), .env = {{{"MANTA_TEST_A", "1"}}}})(1)), "b 1");
  EXPECT_EQ(get(remote<variable>.options({.node = id_of("b")})(1)), "b none");
}

}  // namespace
}  // namespace manta::e2e
