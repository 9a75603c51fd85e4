// EXPECT: manta: parameter 1 of the function is a raw pointer
#include <manta/manta.h>

struct Holder {
  explicit Holder(int* place) : value(place) {}
  int* value;
};

auto make(int* place) { return manta::actor<Holder>(place); }
