#include "tests/e2e/crash_functions.h"

#include <cstdlib>
#include <stdexcept>

namespace manta::e2e {

[[gnu::noinline]] int reads_null(int* null) { return *static_cast<volatile int*>(null) + 1; }

[[gnu::noinline]] int divides(int by) {
  volatile int zero = by;
  return 7 / zero;
}

[[gnu::noinline]] int calls(int (*function)()) { return function() + 1; }

[[gnu::noinline]] int overflows(int depth) {
  volatile char room[512] = {};
  room[depth % 512] = 1;
  return overflows(depth + 1) + room[7];
}

[[gnu::noinline]] void gives_up(const char* text) {
  [&]() noexcept { throw std::runtime_error(text); }();
  std::abort();
}

}  // namespace manta::e2e
