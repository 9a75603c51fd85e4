#define MANTA_RL_KERNELS kernels_anywhere
#define MANTA_RL_WIDTH 4
#define MANTA_RL_ROWS 4
#define MANTA_RL_VECTORS 2
#include "rl/perceptron/loops.h"
