#include <iostream>
#include <memory>

#include <manta/manta.h>
#include <manta/tune.h>

namespace tune = manta::tune;

struct Config {
  int x = 0;
};
Config space(tune::Space& space) { return {space.grid("x", {1, 2, 3, 4, 5, 6})}; }
double objective(tune::Trial&, const Config& config) { return (config.x - 4) * (config.x - 4); }

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv);
  tune::AskTell<space> asked({.searcher = std::make_shared<tune::TpeSearcher>()});
  asked.tell(asked.ask().number, 1);
  const auto results = tune::Tuner<space, objective>({}, {.verbose = false}).fit();
  std::cout << "consumer: " << results.best().config.x << std::endl;
}
