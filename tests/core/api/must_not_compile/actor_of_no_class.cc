// EXPECT: manta: actor<T> takes a class
#include <manta/manta.h>

auto make() { return manta::actor<int>(3); }
