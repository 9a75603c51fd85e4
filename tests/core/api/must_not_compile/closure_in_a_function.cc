// EXPECT: manta: this function object cannot travel to a worker
#include <functional>

#include <manta/manta.h>

auto call(std::function<int(int)> function) { return manta::remote<>(function)(3); }
