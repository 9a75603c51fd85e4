// What tasks tell the test past Manta: a page that all processes of a test program share.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace manta::e2e {

struct Outside {
  static constexpr std::size_t kCells = 16384;
  std::array<std::atomic<std::int64_t>, kCells> cells;

  std::atomic<std::int64_t>& operator[](std::size_t index) { return cells.at(index); }
  void clear() {
    for (auto& cell : cells) cell = 0;
  }
};

// Makes the page (in workers that were executed: finds it, and returns false). First line of main, before init.
bool prepare_outside();
Outside& outside();

// Waits until the cell is at least `value`; false: not within the limit. For tasks and tests; does not block in Manta.
bool await_cell(std::size_t cell, std::int64_t value, std::chrono::milliseconds limit = std::chrono::seconds(20));

// Adds `amount` to a cell for as long as it lives and keeps the highest sum ever seen in the next cell.
class Gauge {
 public:
  explicit Gauge(std::size_t cell, std::int64_t amount = 1);
  ~Gauge();
  Gauge(const Gauge&) = delete;
  Gauge& operator=(const Gauge&) = delete;
  static std::int64_t highest(std::size_t cell) { return outside()[cell + 1]; }

 private:
  std::size_t cell_;
  std::int64_t amount_;
};

// How often things take longer here than in a plain build.
constexpr int slowness() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return 5;
#else
  return 1;
#endif
}

}  // namespace manta::e2e
