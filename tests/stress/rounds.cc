// Many short parallel rounds, as a data-parallel training makes them: put the parameters, submit a few tasks with a ref
// to them, get all, repeat. Each round crosses doorbells, leases and the store in a new order; a lost wake-up hangs it.
//
//   stress_rounds [--seconds=60] [--seed=N]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include <manta/manta.h>

#include "tests/stress/watchdog.h"

namespace {

using Vector = std::vector<float>;

Vector scaled(const Vector& parameters, int factor, int spin_us) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(spin_us);
  Vector result(parameters);
  for (float& x : result) x *= static_cast<float>(factor);
  while (std::chrono::steady_clock::now() < end) {
  }
  return result;
}

float sum(const Vector& a, const Vector& b) { return a.front() + b.back(); }

}  // namespace

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv, {.num_cpus = 2, .num_gpus = 0});
  const double seconds = manta::stress::option(argc, argv, "seconds", 60);
  std::mt19937_64 random(manta::stress::seed_of(argc, argv));
  manta::stress::Watchdog watchdog;
  const auto begin = std::chrono::steady_clock::now();
  const auto end = begin + std::chrono::duration<double>(seconds);
  long rounds = 0, wrong = 0;
  for (; std::chrono::steady_clock::now() < end; ++rounds) {
    watchdog.progress();
    constexpr std::size_t kSizes[] = {1, 20, 1'000, 30'000,
                                      120'000};  // inline, in the record, in a block, in the store
    const auto value = static_cast<float>(rounds % 1000);
    const manta::Ref<Vector> parameters = manta::put(Vector(kSizes[random() % 5], value));
    std::vector<manta::Ref<Vector>> parts;
    const int tasks = 2 + static_cast<int>(random() % 2);
    for (int i = 1; i <= tasks; ++i) {
      parts.push_back(manta::remote<scaled>(parameters, i, static_cast<int>(random() % 4 == 0 ? random() % 2000 : 0)));
    }
    if (random() % 4 == 0) {
      wrong += manta::get(manta::remote<sum>(parts[0], parts[1])) != 3 * value;
    }
    const std::vector<Vector> values = manta::get(parts);
    for (int i = 0; i < tasks; ++i) {
      const Vector& got = values[static_cast<std::size_t>(i)];
      wrong += got.front() != value * static_cast<float>(i + 1) || got.back() != got.front();
    }
    // Now and then long enough that leases are returned, or for the background thread to be the one that drains.
    if (random() % 50 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 40'000));
  }
  std::printf("%ld rounds in %.1f s, %ld wrong\n", rounds,
              std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(), wrong);
  return wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
