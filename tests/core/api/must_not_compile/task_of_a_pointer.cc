// EXPECT: manta: the function returns a raw pointer
#include <manta/manta.h>

manta::Task<int*> leak() { co_return nullptr; }

auto call() { return manta::remote<leak>(); }
