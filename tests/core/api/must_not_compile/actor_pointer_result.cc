// EXPECT: manta: the function returns a raw pointer
#include <manta/manta.h>

struct Store {
  const int* place() const { return &value; }
  int value = 0;
};

auto call(const manta::Actor<Store>& store) { return store.call<&Store::place>(); }
