// EXPECT: manta: parameter 1 of the function is a raw pointer
#include <manta/manta.h>

int apply(int (*f)(int)) { return f(3); }

int twice(int x) { return 2 * x; }

auto call() { return manta::remote<apply>(twice); }
