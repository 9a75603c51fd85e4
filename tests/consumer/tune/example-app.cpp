#include <iostream>

#include <manta/manta.h>
#include <manta/tune.h>

struct Config {
  int x = 0;
};
Config space(manta::tune::Space& space) { return {space.grid("x", {1, 2, 3, 4, 5, 6})}; }
double objective(manta::tune::Trial&, const Config& config) { return (config.x - 4) * (config.x - 4); }

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv);
  const auto results = manta::tune::Tuner<space, objective>({}, {.verbose = false}).fit();
  std::cout << "consumer: " << results.best().config.x << std::endl;
}
