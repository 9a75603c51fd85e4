// EXPECT: manta: C++20 is needed
// OPTIONS: -std=c++17
#include <manta/manta.h>
