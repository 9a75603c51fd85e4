// How schedulers refuse options.
#pragma once

#include <string>

#include <manta/error.h>

namespace manta::tune::detail {

inline void require(bool fine, const std::string& of, const std::string& what) {
  if (!fine) throw Error(ErrorCode::invalid_argument, of + ": " + what);
}

}  // namespace manta::tune::detail
