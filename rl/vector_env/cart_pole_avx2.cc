// Compiled with -mavx2: called only where the processor has it.
#define MANTA_CART_POLE_NAME steps_avx2
#include "rl/vector_env/cart_pole_loops.h"
