#include "bench/areas.h"

namespace manta::bench {

Area train_area() { return {"train", collective_cases()}; }

}  // namespace manta::bench
