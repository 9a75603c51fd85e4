// EXPECT: manta: this function object cannot travel to a worker
#include <manta/manta.h>

struct Scale {
  const double* weights;
  double operator()(int i) const { return weights[i]; }
};

auto call(const double* weights) { return manta::remote<>(Scale{weights})(3); }
