// EXPECT: manta: unions cannot be serialised
#include <manta/manta.h>

union Either {
  int a;
  float b;
};

auto call() { return manta::put(Either{1}); }
