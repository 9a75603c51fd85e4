// EXPECT: manta: actor<T>(arguments...): T has no constructor that takes these arguments
#include <string>
#include <vector>

#include <manta/manta.h>

struct Counter {
  explicit Counter(int start) : value(start) {}
  int value;
};

auto make() { return manta::actor<Counter>(std::vector<std::string>{"one"}); }
