// EXPECT: manta: this lambda captures something that is more than its bytes
#include <string>

#include <manta/manta.h>

auto call(std::string name) {
  return manta::remote<>([name](int x) { return name + std::to_string(x); })(3);
}
