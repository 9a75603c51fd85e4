// EXPECT: manta: the function returns a raw pointer
#include <manta/manta.h>

manta::Generator<int*> places(int n) {
  for (int i = 0; i < n; ++i) co_yield nullptr;
}

auto call() { return manta::remote<places>(3); }
