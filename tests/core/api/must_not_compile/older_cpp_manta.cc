// EXPECT: manta: needs C++20
// OPTIONS: -std=c++17
#include <manta/manta.h>
