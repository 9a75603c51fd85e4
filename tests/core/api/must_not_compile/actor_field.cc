// EXPECT: manta: call<&T::method> takes a method of the actor's class
#include <manta/manta.h>

struct Counter {
  int value = 0;
};

auto call(const manta::Actor<Counter>& counter) { return counter.call<&Counter::value>(); }
