// EXPECT: manta: argument 3 does not convert
#include <vector>

#include <manta/manta.h>

double blend(double a, double b, double share) { return a + share * (b - a); }

auto call() { return manta::remote<blend>(1, 2.0, std::vector<double>{0.5}); }
