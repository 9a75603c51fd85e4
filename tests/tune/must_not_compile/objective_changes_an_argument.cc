// EXPECT: Tuner<space, objective>: an argument of objective is a reference to non-const
#include <manta/tune.h>

namespace tune = manta::tune;
struct Config {
  double x = 0;
};
Config space(tune::Space& space) { return {space.uniform("x", 0, 1)}; }
double objective(tune::Trial&, const Config&, int& x) { return x; }
void run() { tune::Tuner<space, objective>({}).fit(1); }
