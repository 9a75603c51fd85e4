#include <iostream>

#include <manta/manta.h>
#include <manta/serve.h>

struct Twice {
  int operator()(int x) { return 2 * x; }
};

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv);
  manta::serve::Server server({.port = 0});
  const auto twice = server.run(manta::serve::deployment<Twice>({.name = "twice"}));
  std::cout << "consumer: " << manta::get(twice(21)) << std::endl;
}
