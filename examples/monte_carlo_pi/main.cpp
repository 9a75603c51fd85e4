// An estimate that improves while the workers are at it: pi, from points thrown into a square, until it is good enough.
//
//   build/release/bin/monte_carlo_pi
//
// prints
//
//    4000000 points: pi is about 3.141848 +- 0.000821
//    8000000 points: pi is about 3.141829 +- 0.000581
//   12000000 points: pi is about 3.141857 +- 0.000474
//   16000000 points: pi is about 3.142027 +- 0.000410
//   18000000 points: pi is about 3.141866 +- 0.000387

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

#include <manta/manta.h>

constexpr int kStreams = 4;
constexpr long kPointsOfItem = 500'000;
constexpr double kGoodEnough = 0.0004;  // a standard deviation of the estimate

// Throws for ever. Yields how many of the next points fell into the circle.
manta::Generator<long> hits(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> place(0, 1);
  for (;;) {
    long inside = 0;
    for (long i = 0; i < kPointsOfItem; ++i) {
      const double x = place(random), y = place(random);
      inside += x * x + y * y < 1;
    }
    co_yield inside;  // waits here while the reader has not taken the last two
  }
}

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv);

  std::vector<manta::Stream<long>> streams;
  for (std::uint64_t seed = 1; seed <= kStreams; ++seed) {
    streams.push_back(manta::remote<hits>.options({.stream_buffer = 2})(seed));
  }

  // One item of each in turn, so that every run prints the same.
  double inside = 0, error = 1;
  for (long points = 0; error > kGoodEnough;) {
    for (auto& stream : streams) {
      inside += static_cast<double>(*stream.next());
      points += kPointsOfItem;
    }
    const double share = inside / static_cast<double>(points);
    error = 4 * std::sqrt(share * (1 - share) / static_cast<double>(points));
    if (points % 4'000'000 != 0 && error > kGoodEnough) continue;
    std::printf("%8ld points: pi is about %.6f +- %.6f\n", points, 4 * share, error);
  }
}  // the streams end here, and with them the generators at their co_yield
