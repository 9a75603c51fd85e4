// One runtime of three CPUs for all tests of this program.
#include <gtest/gtest.h>

#include <manta/manta.h>

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv, {.num_cpus = 3});
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
