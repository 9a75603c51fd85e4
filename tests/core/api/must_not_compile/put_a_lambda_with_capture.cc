// EXPECT: manta: this type cannot be serialised
#include <manta/manta.h>

auto call(int factor) {
  return manta::put([factor](int x) { return factor * x; });
}
