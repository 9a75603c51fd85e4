// EXPECT: manta: argument 1 does not convert
#include <vector>

#include <manta/manta.h>

int sum(const std::vector<int>& values) { return values.front(); }

auto call(const std::vector<manta::Ref<int>>& values) { return manta::remote<sum>(values); }
