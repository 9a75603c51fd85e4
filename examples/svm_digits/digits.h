// The 1,797 digits of scikit-learn, and five folds of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <manta/buffer.h>

constexpr int kClasses = 10;
constexpr int kFolds = 5;

// Sorted by label; within a label in the order of the file.
struct Digits {
  std::vector<int> labels;
  std::vector<int> folds;   // in which each is tested: scikit-learn's StratifiedKFold(5)
  manta::Buffer distances;  // of all pairs, squared: whole numbers, size() * size() of uint16
  int largest = 0;          // of the distances

  int size() const { return static_cast<int>(labels.size()); }
  const std::uint16_t* distances_of(int sample) const {
    return reinterpret_cast<const std::uint16_t*>(distances.data) + static_cast<std::size_t>(sample) * labels.size();
  }
};

// file: 64 numbers and the label in each line. Throws std::runtime_error.
Digits load_digits(const std::string& file);
