// One runtime of three CPUs for all tests of this program; or a program that waits.
#include <manta/testing.h>

#include "tests/rl/waits_test.h"

int main(int argc, char** argv) {
  if (const auto status = manta::e2e::run_wait_row(argc, argv, rl_wait_rows)) return *status;
  return manta::testing::main(argc, argv, {.num_cpus = 3});
}
