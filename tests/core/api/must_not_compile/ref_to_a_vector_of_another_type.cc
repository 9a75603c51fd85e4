// EXPECT: manta: argument 2 is a Ref to another type
#include <vector>

#include <manta/manta.h>

double dot(const std::vector<double>& a, const std::vector<double>& b) { return a.front() * b.front(); }

auto call(const manta::Ref<std::vector<double>>& a, const manta::Ref<std::vector<float>>& b) {
  return manta::remote<dot>(a, b);
}
