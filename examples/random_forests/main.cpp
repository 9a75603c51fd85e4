// Twenty random forests of different sizes on California's housing, one after another and then as tasks.
//
//   build/release/bin/random_forests .deps/housing/housing.csv
//
// prints, with other times
//
//   20640 houses, 16512 of them for training
//   forest of # trees: off by #
//   ...
//   one after another: # s
//   tasks on 2 CPUs:   # s, # times as fast

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "forest.h"

// 84, 80, ... 8 trees: the longest tasks first, so that no worker is left with one when the others are done.
std::vector<int> sizes(int forests) {
  std::vector<int> trees;
  for (int i = forests - 1; i >= 0; --i) trees.push_back(8 + 4 * i);
  return trees;
}

std::vector<double> one_after_another(const Houses& houses, const std::vector<int>& trees) {
  std::vector<double> errors;
  for (const int size : trees) errors.push_back(forest_error(houses, size));
  return errors;
}

// Stored once; each task is given a view of the same memory.
std::vector<double> by_tasks(const manta::Ref<Houses>& houses, const std::vector<int>& trees) {
  std::vector<manta::Ref<double>> errors;
  for (const int size : trees) errors.push_back(manta::remote<forest_error>(houses, size));
  return manta::get(errors);
}

template <class Body>
double seconds(Body&& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void run(const std::string& csv, int forests) {
  const Houses houses = read_houses(csv);
  const manta::Ref<Houses> stored = manta::put(houses);
  std::printf("%zu houses, %zu of them for training\n", houses.size(), training_part(houses));
  const std::vector<int> trees = sizes(forests);

  std::vector<double> first, second;
  const double alone = seconds([&] { first = one_after_another(houses, trees); });
  const double together = seconds([&] { second = by_tasks(stored, trees); });
  if (first != second) throw std::runtime_error("the tasks' forests are not the same");
  for (std::size_t i = 0; i < trees.size(); ++i) std::printf("forest of %d trees: off by %.4f\n", trees[i], first[i]);
  std::printf("one after another: %.2f s\n", alone);
  std::printf("tasks on 2 CPUs:   %.2f s, %.2f times as fast\n", together, alone / together);
}

int main(int argc, char** argv) {
  ::setenv("DLIB_NUM_THREADS", "0", 1);  // dlib starts no threads: each task is one
  try {
    auto runtime = manta::init(argc, argv, {.num_cpus = 2});
    run(argc > 1 ? argv[1] : ".deps/housing/housing.csv", argc > 2 ? std::stoi(argv[2]) : 20);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "random_forests: %s\n", error.what());
    return 1;
  }
  return 0;
}
