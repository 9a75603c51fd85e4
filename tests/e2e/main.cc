#include <manta/testing.h>

#include "tests/e2e/outside.h"

int main(int argc, char** argv) {
  manta::e2e::prepare_outside();
  return manta::testing::main(argc, argv, {.num_cpus = 2, .num_gpus = 0});
}
