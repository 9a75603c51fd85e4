// EXPECT: Tuner<space, objective>: objective returns a number, manta::tune::Metrics, or nothing
#include <manta/tune.h>

namespace tune = manta::tune;
struct Config {
  double x = 0;
};
Config space(tune::Space& space) { return {space.uniform("x", 0, 1)}; }
const char* objective(tune::Trial&, const Config&) { return ""; }
void run() { tune::Tuner<space, objective>({}).fit(); }
