// Clusters on this machine. No init here: each test starts its own.
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "tests/e2e/cluster_member.h"
#include "tests/e2e/outside.h"

int main(int argc, char** argv) {
  manta::e2e::prepare_outside();
  manta::e2e::prepare_member(argc, argv);
  std::string secret;
  if (std::getenv("MANTA_SECRET_FILE") == nullptr) {
    secret = "/tmp/manta-test-secret-" + std::to_string(::getpid());
    std::ofstream(secret) << "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n";
    ::chmod(secret.c_str(), 0600);
    ::setenv("MANTA_SECRET_FILE", secret.c_str(), 1);
  }
  ::testing::InitGoogleTest(&argc, argv);
  const int result = RUN_ALL_TESTS();
  if (!secret.empty()) ::unlink(secret.c_str());
  return result;
}
