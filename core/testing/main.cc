#include <cstdio>
#include <exception>
#include <optional>

#include <gtest/gtest.h>

#include <manta/error.h>
#include <manta/testing.h>

namespace manta::testing {

namespace {
std::optional<Runtime> running;
}

int main(int argc, char** argv, const InitOptions& options) {
  try {
    running.emplace(init(argc, argv, options));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "manta::testing::main: init failed: %s\n", error.what());
    return 1;
  }
  ::testing::InitGoogleTest(&argc, argv);
  const int failed = RUN_ALL_TESTS();
  running.reset();
  return failed;
}

Runtime& runtime() {
  if (!running) throw Error(ErrorCode::unavailable, "manta::testing::main is not running the tests now");
  return *running;
}

}  // namespace manta::testing
