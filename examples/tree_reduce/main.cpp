// A reduction as a tree of tasks, twice: laid out by the driver, and grown by tasks that submit tasks.
//
//   build/release/bin/tree_reduce
//
// prints
//
//   laid out by the driver: 1024 numbers, mean 511.5, deviation 295.6
//   grown by tasks:         1024 numbers, mean 511.5, deviation 295.6

#include <cmath>
#include <cstdio>
#include <utility>
#include <vector>

#include <manta/manta.h>

constexpr int kNumbers = 1024;

// What is known of a part of the numbers. Two parts give the whole, in any order (Chan, Golub and LeVeque, 1979).
struct Moments {
  double count = 0, mean = 0, squares = 0;  // squares: of the distances from the mean, summed
};

Moments of_one(int number) { return {1, static_cast<double>(number), 0}; }

Moments combine(const Moments& a, const Moments& b) {
  const double count = a.count + b.count, distance = b.mean - a.mean;
  return {count, a.mean + distance * b.count / count,
          a.squares + b.squares + distance * distance * a.count * b.count / count};
}

// 1,024 leaves and 1,023 tasks above them, each of which waits for its two arguments; nothing is fetched in between.
Moments laid_out() {
  std::vector<manta::Ref<Moments>> level;
  for (int i = 0; i < kNumbers; ++i) level.push_back(manta::remote<of_one>(i));
  while (level.size() > 1) {
    std::vector<manta::Ref<Moments>> above;
    for (std::size_t i = 0; i < level.size(); i += 2) above.push_back(manta::remote<combine>(level[i], level[i + 1]));
    level = std::move(above);
  }
  return manta::get(level.front());
}

// A task that waits for others gives its CPU to them, so this ends however deep it is.
Moments grown(int from, int to) {
  if (to - from == 1) return of_one(from);
  const int middle = from + (to - from) / 2;
  const manta::Ref<Moments> left = manta::remote<grown>(from, middle);
  const Moments right = grown(middle, to);  // one half is done here
  return combine(manta::get(left), right);
}

void print(const char* how, const Moments& all) {
  std::printf("%-23s %.0f numbers, mean %.1f, deviation %.1f\n", how, all.count, all.mean,
              std::sqrt(all.squares / all.count));
}

int main(int argc, char** argv) {
  auto runtime = manta::init(argc, argv);
  print("laid out by the driver:", laid_out());
  print("grown by tasks:", manta::get(manta::remote<grown>(0, kNumbers)));
}
