// EXPECT: manta: parameter 1 of the function is a reference to non-const
#include <vector>

#include <manta/manta.h>

struct Store {
  void read(std::vector<int>& into) const { into = values; }
  std::vector<int> values;
};

auto call(const manta::Actor<Store>& store, std::vector<int> into) { return store.call<&Store::read>(into); }
