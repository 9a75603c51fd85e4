// EXPECT: manta: a union, with a name or without, among the fields of this type
#include <manta/manta.h>

struct Number {
  bool whole = false;
  union {
    int i;
    double d;
  };
};

auto call() { return manta::put(Number{}); }
