// EXPECT: manta: raw pointers cannot be serialised
#include <manta/manta.h>

auto call() { return manta::put("text"); }
