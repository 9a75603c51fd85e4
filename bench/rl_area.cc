#include "bench/areas.h"

namespace manta::bench {

Area rl_area() { return {"rl", stepping_cases()}; }

}  // namespace manta::bench
