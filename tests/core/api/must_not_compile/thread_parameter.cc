// EXPECT: manta: parameter 1 of the function has a type that cannot be serialised
#include <thread>

#include <manta/manta.h>

void join(std::thread thread) { thread.join(); }

auto call() { return manta::remote<join>(std::thread()); }
