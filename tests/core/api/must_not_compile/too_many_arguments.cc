// EXPECT: manta: wrong number of arguments
#include <manta/manta.h>

int square(int x) { return x * x; }

auto call() { return manta::remote<square>(1, 2); }
