// The text of an exception of user code.
#pragma once

#include <exception>
#include <string>

namespace manta::detail {

/// what(), which is empty where the exception has none: user code may return null there.
inline std::string what_of(const std::exception& thrown) {
  const char* what = thrown.what();
  return what != nullptr ? what : "";
}

}  // namespace manta::detail
