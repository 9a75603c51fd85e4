// EXPECT: manta: argument 2 does not convert
#include <string>
#include <vector>

#include <manta/manta.h>

std::string repeat(const std::string& text, int times) { return times == 0 ? "" : text; }

auto call() { return manta::remote<repeat>("ab", std::vector<int>{3}); }
