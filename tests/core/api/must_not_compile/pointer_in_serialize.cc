// EXPECT: manta: raw pointers cannot be serialised
#include <manta/manta.h>

struct List {
  int value = 0;
  List* next = nullptr;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(value, next);
  }
};

auto call() { return manta::put(List{}); }
