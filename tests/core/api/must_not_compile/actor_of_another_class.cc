// EXPECT: manta: argument 1 does not convert
#include <manta/manta.h>

struct Counter {
  int value = 0;
};
struct Gauge {
  int value = 0;
};
void use(const manta::Actor<Counter>&) {}

auto call(const manta::Actor<Gauge>& gauge) { return manta::remote<use>(gauge); }
