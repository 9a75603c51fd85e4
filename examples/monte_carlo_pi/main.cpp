// An estimate that improves while the workers are still at it: pi, from points thrown into a square.
//
//   build/release/bin/monte_carlo_pi
//
// prints, with other estimates on the way
//
//    5000000 points: pi is about #
//   10000000 points: pi is about #
//   15000000 points: pi is about #
//   20000000 points: pi is about 3.141973

#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

#include <manta/manta.h>

constexpr int kWorkers = 4, kReports = 10;
constexpr long kPointsOfReport = 500'000;

// Keeps its place in a series of random points from call to call.
class Thrower {
 public:
  explicit Thrower(std::uint64_t seed) : random_(seed) {}

  // How many of so many points fell into the circle.
  long inside(long points) {
    std::uniform_real_distribution<double> place(0, 1);
    long hits = 0;
    for (long i = 0; i < points; ++i) {
      const double x = place(random_), y = place(random_);
      hits += x * x + y * y < 1;
    }
    return hits;
  }

 private:
  std::mt19937_64 random_;
};

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv);

  std::vector<manta::Actor<Thrower>> throwers;
  for (std::uint64_t seed = 1; seed <= kWorkers; ++seed) throwers.push_back(manta::actor<Thrower>(seed));

  std::vector<manta::Ref<long>> reports;
  for (int i = 0; i < kReports; ++i) {
    for (const auto& thrower : throwers) reports.push_back(thrower.call<&Thrower::inside>(kPointsOfReport));
  }

  // As they come, whoever is first; the last line is the same each time, since each worker has its own series.
  long hits = 0, points = 0;
  for (const auto& report : manta::as_completed(reports)) {
    hits += manta::get(report);
    points += kPointsOfReport;
    if (points % 5'000'000 != 0) continue;
    std::printf("%8ld points: pi is about %.6f\n", points, 4.0 * static_cast<double>(hits) / static_cast<double>(points));
  }
}
