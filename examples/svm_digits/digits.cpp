#include "digits.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>

namespace {

constexpr int kPixels = 64;

struct Sample {
  std::array<int, kPixels> pixels;
  int label = 0;
  int fold = 0;
};

std::vector<Sample> read(const std::string& file) {
  std::ifstream lines(file);
  std::vector<Sample> samples;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream cells(line);
    Sample sample;
    std::vector<double> numbers;
    for (std::string cell; std::getline(cells, cell, ',');) numbers.push_back(std::stod(cell));
    if (numbers.size() != kPixels + 1) throw std::runtime_error(file + ": a line has not 65 numbers");
    for (int i = 0; i < kPixels; ++i)
      sample.pixels[static_cast<std::size_t>(i)] = static_cast<int>(numbers[static_cast<std::size_t>(i)]);
    sample.label = static_cast<int>(numbers.back());
    samples.push_back(sample);
  }
  if (samples.empty()) throw std::runtime_error(file + " cannot be read. Next: cmake/deps.sh digits brings it");
  return samples;
}

// As scikit-learn does it: each class is dealt out in runs, whose lengths come from dealing the sorted labels in turn.
// Classes are numbered by their first appearance.
void make_folds(std::vector<Sample>& samples) {
  std::vector<int> seen;
  std::array<int, kClasses> counts{};
  for (const Sample& sample : samples) {
    if (std::find(seen.begin(), seen.end(), sample.label) == seen.end()) seen.push_back(sample.label);
    ++counts[static_cast<std::size_t>(sample.label)];
  }
  std::array<std::array<int, kFolds>, kClasses> left{};
  int place = 0;
  for (const int label : seen) {
    for (int i = 0; i < counts[static_cast<std::size_t>(label)]; ++i, ++place)
      ++left[static_cast<std::size_t>(label)][static_cast<std::size_t>(place % kFolds)];
  }
  for (Sample& sample : samples) {
    auto& of_class = left[static_cast<std::size_t>(sample.label)];
    const auto fold = std::find_if(of_class.begin(), of_class.end(), [](int count) { return count > 0; });
    --*fold;
    sample.fold = static_cast<int>(fold - of_class.begin());
  }
}

int squared_distance(const Sample& a, const Sample& b) {
  int sum = 0;
  for (std::size_t i = 0; i < kPixels; ++i) sum += (a.pixels[i] - b.pixels[i]) * (a.pixels[i] - b.pixels[i]);
  return sum;
}

}  // namespace

Digits load_digits(const std::string& file) {
  std::vector<Sample> samples = read(file);
  make_folds(samples);
  std::stable_sort(samples.begin(), samples.end(), [](const Sample& a, const Sample& b) { return a.label < b.label; });
  const std::size_t count = samples.size();
  const auto distances = std::make_shared<std::vector<std::uint16_t>>(count * count);
  Digits digits;
  for (std::size_t i = 0; i < count; ++i) {
    digits.labels.push_back(samples[i].label);
    digits.folds.push_back(samples[i].fold);
    for (std::size_t j = 0; j < count; ++j) {
      const int distance = squared_distance(samples[i], samples[j]);  // at most 64 * 16 * 16
      digits.largest = std::max(digits.largest, distance);
      (*distances)[i * count + j] = static_cast<std::uint16_t>(distance);
    }
  }
  digits.distances = {reinterpret_cast<const std::byte*>(distances->data()), distances->size() * sizeof(std::uint16_t),
                      distances};
  return digits;
}
