// Compiled with -mavx2 -mfma: called only where the processor has both.
#define MANTA_RL_KERNELS kernels_avx2
#define MANTA_RL_WIDTH 8
#define MANTA_RL_ROWS 6
#define MANTA_RL_VECTORS 2
#include "rl/perceptron/loops.h"
