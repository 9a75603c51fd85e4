// EXPECT: manta: argument 1 does not convert
#include <vector>

#include <manta/manta.h>

std::size_t length(const std::vector<int>& values) { return values.size(); }

auto call(const std::vector<int>& values) { return manta::remote<length>(&values); }
