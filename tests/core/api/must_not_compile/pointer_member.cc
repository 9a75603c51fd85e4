// EXPECT: manta: a part of this type cannot be serialised
#include <manta/manta.h>

struct List {
  int value = 0;
  List* next = nullptr;
};

auto call() { return manta::put(List{}); }
