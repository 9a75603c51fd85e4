// EXPECT: manta: argument 1 is a Ref to another type
#include <string>

#include <manta/manta.h>

struct Counter {
  int add(int by) { return value += by; }
  int value = 0;
};

auto call(const manta::Actor<Counter>& counter, const manta::Ref<std::string>& by) {
  return counter.call<&Counter::add>(by);
}
