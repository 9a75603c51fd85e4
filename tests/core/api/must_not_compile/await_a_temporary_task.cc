// EXPECT: manta: co_await takes a Ref or Task that has a name
#include <manta/manta.h>

manta::Task<int> child(int x) { co_return x; }

manta::Task<int> parent(int x) { co_return co_await child(x); }
