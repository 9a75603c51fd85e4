// EXPECT: choice and grid take numbers, bool and text
#include <manta/tune.h>

namespace tune = manta::tune;
struct Config {
  double x = 0;
};
Config space(tune::Space& space) {
  static double a = 1;
  return {*space.choice("x", {&a, &a})};
}
