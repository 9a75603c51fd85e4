// EXPECT: manta: argument 1 does not convert
#include <string>

#include <manta/manta.h>

int square(int x) { return x * x; }

auto call() { return manta::remote<square>.options({.num_cpus = 2})(std::string("four")); }
