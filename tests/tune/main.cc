// One runtime of three CPUs and a GPU that is only counted, for all tests of this program; or a study that a test ends,
// or a program that waits.
#include <string_view>

#include <gtest/gtest.h>

#include <manta/manta.h>

#include "tests/e2e/outside.h"
#include "tests/tune/study_program.h"
#include "tests/tune/waits_test.h"

int main(int argc, char** argv) {
  if (const auto status = manta::e2e::run_wait_row(argc, argv, tune_wait_rows)) return *status;
  manta::e2e::prepare_outside();
  auto runtime = manta::init(argc, argv, {.num_cpus = 3, .num_gpus = 1});
  if (argc > 1 && std::string_view(argv[1]) == "--study") return run_study(argc, argv);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
