// One runtime of three CPUs for all tests of this program, or a program of waits_test.cc.
#include <gtest/gtest.h>

#include <manta/manta.h>

#include "tests/train/waits_test.h"

int main(int argc, char** argv) {
  if (const auto status = manta::e2e::run_wait_row(argc, argv, train_wait_rows)) return *status;
  auto runtime = manta::init(argc, argv, {.num_cpus = 3});
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
