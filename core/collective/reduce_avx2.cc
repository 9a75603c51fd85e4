// Compiled with -mavx2 -mf16c: called only where the processor has both.
#define MANTA_REDUCE_NAME reduce_avx2
#include "core/collective/reduce_loops.h"
