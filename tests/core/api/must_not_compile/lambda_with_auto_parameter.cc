// EXPECT: manta: remote<f> takes a function, or a lambda without captures
#include <manta/manta.h>

auto call() {
  return manta::remote<[](auto x) { return x; }>(3);
}
