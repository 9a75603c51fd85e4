// EXPECT: Tuner<space, objective>: objective is a function R objective(manta::tune::Trial&, const Config&, arguments...), where Config is what space returns
#include <manta/tune.h>

namespace tune = manta::tune;
struct Config {
  double x = 0;
};
Config space(tune::Space& space) { return {space.uniform("x", 0, 1)}; }
double objective(const Config& config) { return config.x; }
void run() { tune::Tuner<space, objective>({}).fit(); }
