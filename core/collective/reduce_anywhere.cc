#define MANTA_REDUCE_NAME reduce_anywhere
#include "core/collective/reduce_loops.h"
