// EXPECT: manta: parameter 1 of the function is a view
#include <span>
#include <vector>

#include <manta/manta.h>

float first(std::span<const float> values) { return values.front(); }

auto call(const std::vector<float>& values) { return manta::remote<first>(values); }
