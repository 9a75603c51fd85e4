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
  if (depth < 0) return 0;  // not reached, but for the compiler
  return overflows(depth + 1) + room[7];
}

[[gnu::noinline]] void throws(const char* text) { throw std::runtime_error(text); }

[[gnu::noinline]] void gives_up(const char* text) {
  [&]() noexcept { throws(text); }();
  std::abort();
}

}  // namespace manta::e2e
