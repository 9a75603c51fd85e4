// EXPECT: manta: remote<>(f) takes a lambda or another function object
#include <manta/manta.h>

int half(int x) { return x / 2; }

auto call() { return manta::remote<>(half)(3); }
