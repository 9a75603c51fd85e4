// EXPECT: manta: parameter 1 of the function has a type that cannot be serialised
#include <mutex>

#include <manta/manta.h>

struct Shared {
  std::mutex mutex;
  int value = 0;
};
int value_of(const Shared& shared) { return shared.value; }

auto call(const Shared& shared) { return manta::remote<value_of>(shared); }
