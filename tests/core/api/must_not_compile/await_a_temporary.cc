// EXPECT: manta: co_await takes a Ref or Task that has a name
#include <manta/manta.h>

int square(int x) { return x * x; }

manta::Task<int> twice(int x) { co_return co_await manta::remote<square>(x); }
