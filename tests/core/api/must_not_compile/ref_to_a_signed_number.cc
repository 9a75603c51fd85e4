// EXPECT: manta: argument 2 is a Ref to another type
#include <manta/manta.h>

unsigned long sum(int x, unsigned long y) { return x + y; }

auto call(const manta::Ref<int>& number) { return manta::remote<sum>(1, number); }
