// EXPECT: manta: on_ready(ref, f): f takes one argument
#include <manta/manta.h>

void call(const manta::Ref<int>& ref) {
  manta::on_ready(ref, [](int, int) {});
}
