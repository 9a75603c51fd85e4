// EXPECT: manta: argument 1 is a Ref to another type
#include <manta/manta.h>

double half(double x) { return x / 2; }

auto call(const manta::Ref<int>& number) { return manta::remote<half>(number); }
