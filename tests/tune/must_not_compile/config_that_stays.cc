// EXPECT: Tuner<space, objective>: the configuration that space returns is sent to workers
#include <manta/tune.h>

namespace tune = manta::tune;
struct Config {
  double x = 0;
};
struct Pointing {
  double* x = nullptr;
};
Pointing space(tune::Space&) { return {}; }
double objective(tune::Trial&, const Pointing& config) { return *config.x; }
void run() { tune::Tuner<space, objective>({}).fit(); }
