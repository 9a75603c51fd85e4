// EXPECT: manta: wrong number of arguments
#include <manta/manta.h>

int add(int a, int b) { return a + b; }

auto call() { return manta::remote<add>(1); }
