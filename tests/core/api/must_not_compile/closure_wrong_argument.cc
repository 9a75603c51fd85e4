// EXPECT: manta: argument 1 does not convert
#include <manta/manta.h>

auto call(int factor) {
  return manta::remote<>([factor](int x) { return factor * x; })("three");
}
