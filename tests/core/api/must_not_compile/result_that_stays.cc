// EXPECT: manta: the function's result has a type that cannot be serialised
#include <functional>

#include <manta/manta.h>

std::function<int()> make(int x) {
  return [x] { return x; };
}

auto call() { return manta::remote<make>(3); }
