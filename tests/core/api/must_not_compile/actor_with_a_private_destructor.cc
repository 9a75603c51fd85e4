// EXPECT: manta: actor<T>: T's destructor is private or deleted
#include <manta/manta.h>

class Pinned {
 public:
  Pinned() = default;

 private:
  ~Pinned() = default;
};

auto call() { return manta::actor<Pinned>(); }
