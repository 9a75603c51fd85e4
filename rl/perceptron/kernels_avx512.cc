// Compiled with -mavx512f: called only where the processor has it.
#define MANTA_RL_KERNELS kernels_avx512
#define MANTA_RL_WIDTH 16
#define MANTA_RL_ROWS 6
#define MANTA_RL_VECTORS 4
#include "rl/perceptron/loops.h"
