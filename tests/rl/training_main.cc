// One runtime of three CPUs for all tests of this program.
#include <manta/testing.h>

int main(int argc, char** argv) { return manta::testing::main(argc, argv, {.num_cpus = 3}); }
