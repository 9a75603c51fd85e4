// A cluster on this machine for tests: the test program is the driver, its other nodes are the same program again.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <manta/manta.h>

#include "tests/e2e/session.h"

namespace manta::e2e {

// Arguments that make this program a node: prepare_member() in main sees them.
std::vector<std::string> member_arguments(const std::string& address, const std::string& name, double cpus,
                                          const std::string& resource = "");
// First in main, after prepare_outside(): makes this process a node and ends with it, if it was started to be one.
void prepare_member(int argc, char** argv);
// The name of the node on which the caller runs: as given to member_arguments, else "head".
std::string node_name();

// A node as a child of this process, with what it writes to its standard error.
class MemberProcess {
 public:
  MemberProcess(const std::vector<std::string>& arguments, const std::vector<std::string>& environment = {});
  ~MemberProcess();
  // Its exit status; -1: it has not ended within the limit; -2: by a signal.
  int status(std::chrono::milliseconds limit);
  std::string errors() const;
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
  int errors_ = -1;
};

// The address "host:port" of a runtime, and waiting for its nodes.
bool await_nodes(const Runtime& runtime, std::size_t count);

class ClusterTest : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;
  // The driver, with a node that offers that many CPUs.
  void start(double cpus = 1);
  // Another node; waits until it is there.
  Session& join(const std::string& name, double cpus = 1, const std::string& resource = "");
  NodeId id_of(const std::string& name);  // of a node that joined
  void expect_nothing_left(Session& session);

  std::optional<Runtime> runtime_;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::vector<std::pair<std::string, NodeId>> names_;
};

extern int argc_of_main;
extern char** argv_of_main;

}  // namespace manta::e2e
