#include "logistic.h"

#include <cmath>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace {

constexpr std::size_t kFolds = 5;
constexpr int kMostSteps = 30;

double dot(const double* a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < b.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// Solves a x = b for a symmetric, positive definite a, whose lower triangle it takes and replaces.
std::vector<double> solve(std::vector<double>& a, std::vector<double> b) {
  const std::size_t n = b.size();
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = a[i * n + j];
      for (std::size_t k = 0; k < j; ++k) sum -= a[i * n + k] * a[j * n + k];
      a[i * n + j] = i == j ? std::sqrt(sum) : sum / a[j * n + j];
    }
    for (std::size_t k = 0; k < i; ++k) b[i] -= a[i * n + k] * b[k];
    b[i] /= a[i * n + i];
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t k = i + 1; k < n; ++k) b[i] -= a[k * n + i] * b[k];
    b[i] /= a[i * n + i];
  }
  return b;
}

// Weights for all rows but those of the fold; the last one, of the 1, is not held back.
std::vector<double> fit(const Table& table, double strength, std::size_t fold) {
  const std::size_t n = table.width;
  std::vector<double> weights(n);
  for (int step = 0; step < kMostSteps; ++step) {
    std::vector<double> gradient(n), hessian(n * n);
    for (std::size_t i = 0; i + 1 < n; ++i) {
      gradient[i] = strength * weights[i];
      hessian[i * n + i] = strength;
    }
    hessian[n * n - 1] = 1e-9;
    for (std::size_t row = 0; row < table.labels.size(); ++row) {
      if (row % kFolds == fold) continue;
      const double* x = table.features.data() + row * n;
      const double p = 1 / (1 + std::exp(-dot(x, weights)));
      for (std::size_t i = 0; i < n; ++i) {
        gradient[i] += (p - table.labels[row]) * x[i];
        for (std::size_t j = 0; j <= i; ++j) hessian[i * n + j] += p * (1 - p) * x[i] * x[j];
      }
    }
    double change = 0;
    const std::vector<double> difference = solve(hessian, gradient);
    for (std::size_t i = 0; i < n; ++i) {
      weights[i] -= difference[i];
      change += difference[i] * difference[i];
    }
    if (change < 1e-12) break;
  }
  return weights;
}

void standardise(Table& table) {
  const std::size_t rows = table.labels.size();
  for (std::size_t column = 0; column + 1 < table.width; ++column) {
    double sum = 0, squares = 0;
    for (std::size_t row = 0; row < rows; ++row) sum += table.features[row * table.width + column];
    const double mean = sum / static_cast<double>(rows);
    for (std::size_t row = 0; row < rows; ++row)
      squares += std::pow(table.features[row * table.width + column] - mean, 2);
    const double deviation = std::sqrt(squares / static_cast<double>(rows));
    for (std::size_t row = 0; row < rows; ++row) {
      double& cell = table.features[row * table.width + column];
      cell = (cell - mean) / deviation;
    }
  }
}

}  // namespace

Table load_table(const std::string& file) {
  std::ifstream lines(file);
  Table table;
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    std::istringstream cells(line);
    std::vector<double> numbers;
    for (std::string cell; std::getline(cells, cell, ',');) numbers.push_back(std::stod(cell));
    if (numbers.size() < 2 || (table.width != 0 && numbers.size() != table.width))
      throw std::runtime_error(file + ": a line is too short");
    table.width = numbers.size();
    table.labels.push_back(numbers.back() > 0 ? 1 : 0);
    numbers.back() = 1;
    table.features.insert(table.features.end(), numbers.begin(), numbers.end());
  }
  if (table.labels.empty()) throw std::runtime_error(file + " cannot be read. Next: cmake/deps.sh digits brings it");
  standardise(table);
  return table;
}

double cross_validate(const Table& table, double strength) {
  std::size_t right = 0;
  for (std::size_t fold = 0; fold < kFolds; ++fold) {
    const std::vector<double> weights = fit(table, strength, fold);
    for (std::size_t row = fold; row < table.labels.size(); row += kFolds) {
      const bool predicted = dot(table.features.data() + row * table.width, weights) > 0;
      right += predicted == (table.labels[row] == 1) ? 1 : 0;
    }
  }
  return static_cast<double>(right) / static_cast<double>(table.labels.size());
}
