#include "rl/rollout/moments.h"

#include <algorithm>
#include <cmath>

namespace manta::rl::detail {
namespace {

template <class T>
void add(Moments& moments, std::span<const T> rows) {
  const std::size_t size = moments.mean.size(), count = rows.size() / size;
  if (count == 0) return;
  Moments batch = no_moments(size);
  batch.count = static_cast<double>(count);
  for (std::size_t i = 0; i < rows.size(); ++i) batch.mean[i % size] += rows[i];
  for (double& mean : batch.mean) mean /= batch.count;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double distance = rows[i] - batch.mean[i % size];
    batch.variance[i % size] += distance * distance;
  }
  for (double& variance : batch.variance) variance /= batch.count;
  merge(moments, batch);
}

}  // namespace

Moments first_moments(std::size_t size) { return {1e-4, std::vector<double>(size, 0), std::vector<double>(size, 1)}; }
Moments no_moments(std::size_t size) { return {0, std::vector<double>(size, 0), std::vector<double>(size, 0)}; }

void add_rows(Moments& moments, std::span<const float> rows) { add(moments, rows); }
void add_rows(Moments& moments, std::span<const double> rows) { add(moments, rows); }

void merge(Moments& moments, const Moments& other) {
  if (other.count == 0) return;
  const double count = moments.count + other.count;
  for (std::size_t i = 0; i < moments.mean.size(); ++i) {
    const double distance = other.mean[i] - moments.mean[i];
    const double squares = moments.variance[i] * moments.count + other.variance[i] * other.count +
                           distance * distance * (moments.count * other.count / count);
    moments.mean[i] += distance * (other.count / count);
    moments.variance[i] = squares / count;
  }
  moments.count = count;
}

void normalize_rows(const Moments& moments, std::span<const float> rows, float* out) {
  const std::size_t size = moments.mean.size();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double value = (rows[i] - moments.mean[i % size]) / std::sqrt(moments.variance[i % size] + 1e-8);
    out[i] = static_cast<float>(std::clamp(value, -10.0, 10.0));
  }
}

}  // namespace manta::rl::detail
