// EXPECT: manta: parameter 2 of the function is a raw pointer
#include <manta/manta.h>

int sum(int count, const double* values) { return count + (values != nullptr); }

auto call(const double* values) { return manta::remote<sum>(3, values); }
