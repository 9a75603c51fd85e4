#include "bench/areas.h"

namespace manta::bench {

Area train_area() {
  Area area{"train", collective_cases()};
  for (Case& added : training_cases()) area.cases.push_back(std::move(added));
  return area;
}

}  // namespace manta::bench
