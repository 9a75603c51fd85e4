// EXPECT: manta: wrong number of arguments
#include <manta/manta.h>

struct Counter {
  int add(int by) { return value += by; }
  int value = 0;
};

auto call(const manta::Actor<Counter>& counter) { return counter.call<&Counter::add>(); }
