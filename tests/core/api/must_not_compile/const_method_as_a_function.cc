// EXPECT: manta: remote<f> takes a function, and f is a member of a class
#include <manta/manta.h>

struct Counter {
  int value = 0;
  int get() const noexcept { return value; }
};

auto call() { return manta::remote<&Counter::get>(); }
