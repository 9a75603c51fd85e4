// EXPECT: Tuner<space, objective>: space is a function Config space(manta::tune::Space&)
#include <manta/tune.h>

namespace tune = manta::tune;
struct Config {
  double x = 0;
};
Config space(tune::Space&, int) { return {}; }
double objective(tune::Trial&, const Config& config) { return config.x; }
void run() { tune::Tuner<space, objective>({}).fit(); }
