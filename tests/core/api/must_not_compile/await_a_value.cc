// EXPECT: manta: in a function that returns manta::Task, co_await takes a manta::Ref
#include <manta/manta.h>

manta::Task<int> wait(int x) { co_return co_await x; }
