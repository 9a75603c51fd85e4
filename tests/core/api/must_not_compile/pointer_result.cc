// EXPECT: manta: the function returns a raw pointer
#include <manta/manta.h>

const char* name(int) { return "x"; }

auto call() { return manta::remote<name>(3); }
