// A task and an actor, for compilers_test.sh.
#include <manta/manta.h>

int square(int x) { return x * x; }
struct Counter {
  int n = 0;
  int add(int x) { return n += x; }
};
int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv, {.num_cpus = 1, .num_gpus = 0});
  auto counter = manta::actor<Counter>();
  return manta::get(manta::remote<square>(3)) == 9 && manta::get(counter.call<&Counter::add>(2)) == 2 ? 0 : 1;
}
