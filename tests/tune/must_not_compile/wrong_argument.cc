// EXPECT: argument 1 does not convert to the function's parameter
#include <manta/tune.h>

namespace tune = manta::tune;
struct Config {
  double x = 0;
};
Config space(tune::Space& space) { return {space.uniform("x", 0, 1)}; }
double objective(tune::Trial&, const Config&, int x) { return x; }
void run() { tune::Tuner<space, objective>({}).fit("text"); }
