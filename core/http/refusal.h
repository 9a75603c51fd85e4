// Why a request is refused.
#pragma once

#include <string>

namespace manta::http {

struct Refusal {
  int status = 400;
  std::string why;
};

}  // namespace manta::http
