// EXPECT: manta: argument 1 is a Ref to another type
#include <manta/manta.h>

int square(int x) { return x * x; }

auto call(const manta::Ref<void>& done) { return manta::remote<square>(done); }
