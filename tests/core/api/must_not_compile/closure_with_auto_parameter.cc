// EXPECT: manta: remote<>(f) takes a function object with one operator()
#include <manta/manta.h>

auto call(int factor) {
  return manta::remote<>([factor](auto x) { return factor * x; })(3);
}
