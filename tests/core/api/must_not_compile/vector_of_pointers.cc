// EXPECT: manta: a part of this type cannot be serialised
#include <vector>

#include <manta/manta.h>

auto call() { return manta::put(std::vector<int*>{}); }
