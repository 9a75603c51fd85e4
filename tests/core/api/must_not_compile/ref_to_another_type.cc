// EXPECT: manta: argument 1 is a Ref to another type
#include <manta/manta.h>

int half(int x) { return x / 2; }

auto call(const manta::Ref<double>& number) { return manta::remote<half>(number); }
