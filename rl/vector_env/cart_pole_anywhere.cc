#define MANTA_CART_POLE_NAME steps_anywhere
#include "rl/vector_env/cart_pole_loops.h"
