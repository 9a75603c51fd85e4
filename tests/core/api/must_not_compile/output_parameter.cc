// EXPECT: manta: parameter 1 of the function is a reference to non-const
#include <vector>

#include <manta/manta.h>

void sort(std::vector<int>& values) { values.clear(); }

auto call(std::vector<int> values) { return manta::remote<sort>(values); }
