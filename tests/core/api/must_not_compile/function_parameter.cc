// EXPECT: manta: parameter 2 of the function has a type that cannot be serialised
#include <functional>

#include <manta/manta.h>

int apply(int x, const std::function<int(int)>& f) { return f(x); }

auto call() {
  return manta::remote<apply>(3, [](int x) { return 2 * x; });
}
