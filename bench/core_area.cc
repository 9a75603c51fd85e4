#include "bench/areas.h"

namespace manta::bench {

Area core_area() {
  Area area{"core", task_cases()};
  for (Case& added : actor_cases()) area.cases.push_back(std::move(added));
  for (Case& added : coroutine_cases()) area.cases.push_back(std::move(added));
  for (Case& added : object_cases()) area.cases.push_back(std::move(added));
  for (Case& added : start_cases()) area.cases.push_back(std::move(added));
  return area;
}

}  // namespace manta::bench
