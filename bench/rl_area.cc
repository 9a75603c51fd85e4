#include <utility>

#include "bench/areas.h"

namespace manta::bench {

Area rl_area() {
  Area area{"rl", stepping_cases()};
  for (Case& added : ppo_cases()) area.cases.push_back(std::move(added));
  return area;
}

}  // namespace manta::bench
