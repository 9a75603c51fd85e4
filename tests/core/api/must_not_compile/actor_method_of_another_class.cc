// EXPECT: manta: call<&T::method> takes a method of the actor's class
#include <manta/manta.h>

struct Counter {
  int value = 0;
};
struct Other {
  int get() const { return 1; }
};

auto call(const manta::Actor<Counter>& counter) { return counter.call<&Other::get>(); }
