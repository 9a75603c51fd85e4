// EXPECT: manta: argument 1 does not convert
#include <manta/manta.h>

struct Base {
  int value = 0;
};
struct Derived : Base {
  int more = 0;
};
int use(const manta::Actor<Derived>&) { return 1; }

auto call(const manta::Actor<Base>& base) { return manta::remote<use>(base); }
