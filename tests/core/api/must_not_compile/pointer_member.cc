// EXPECT: this_field_cannot_be_serialised() [with auto Field = (& example<List>.Example<List>::value.List::next)]
#include <manta/manta.h>

struct List {
  int value = 0;
  List* next = nullptr;
};

auto call() { return manta::put(List{}); }
