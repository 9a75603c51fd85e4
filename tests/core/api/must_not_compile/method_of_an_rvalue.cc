// EXPECT: manta: call<&T::method> takes a method of the actor
#include <manta/manta.h>

struct Counter {
  int take() && { return 1; }
};

auto call(const manta::Actor<Counter>& counter) { return counter.call<&Counter::take>(); }
