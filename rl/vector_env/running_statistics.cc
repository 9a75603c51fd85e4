#include <manta/rl/running_statistics.h>

#include <string>

#include <manta/error.h>

namespace manta::rl {

RunningStatistics RunningStatistics::none(std::size_t size) {
  return {std::vector<double>(size, 0), std::vector<double>(size, 0), 0};
}

RunningStatistics RunningStatistics::initial(std::size_t size) {
  return {std::vector<double>(size, 0), std::vector<double>(size, 1), 1e-4};
}

void RunningStatistics::update(std::span<const float> rows) {
  if (rows.empty()) return;
  if (size() == 0 || rows.size() % size() != 0) {
    throw Error(ErrorCode::invalid_argument, "running statistics: " + std::to_string(rows.size()) +
                                                 " numbers are no rows of " + std::to_string(size()));
  }
  RunningStatistics batch = none(size());
  batch.count = static_cast<double>(rows.size() / size());
  for (std::size_t i = 0; i < rows.size(); ++i) batch.mean[i % size()] += rows[i];
  for (double& value : batch.mean) value /= batch.count;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double delta = rows[i] - batch.mean[i % size()];
    batch.variance[i % size()] += delta * delta;
  }
  for (double& value : batch.variance) value /= batch.count;
  merge(batch);
}

void RunningStatistics::merge(const RunningStatistics& other) {
  if (other.size() != size() || variance.size() != size() || other.variance.size() != size()) {
    throw Error(ErrorCode::invalid_argument, "running statistics: of " + std::to_string(other.size()) +
                                                 " components cannot be merged into those of " +
                                                 std::to_string(size()));
  }
  if (other.count <= 0) return;
  const double total = count + other.count;
  for (std::size_t i = 0; i < size(); ++i) {
    const double delta = other.mean[i] - mean[i];
    mean[i] += delta * other.count / total;
    const double squares =
        variance[i] * count + other.variance[i] * other.count + delta * delta * count * other.count / total;
    variance[i] = squares / total;
  }
  count = total;
}

}  // namespace manta::rl
