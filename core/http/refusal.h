// The status and the reason of a refused request.
#pragma once

#include <string>

namespace manta::http {

struct Refusal {
  int status = 400;
  std::string why;
};

}  // namespace manta::http
