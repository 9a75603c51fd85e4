// California's housing of 1990: 20,640 districts, each with eight features and the median price of a house.
#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

#include <manta/manta.h>

// A table in one piece of memory, which tasks read where it lies.
class Houses {
 public:
  static constexpr std::size_t kFeatures = 8, kColumns = kFeatures + 1;  // the price, in 100,000 dollars, comes last

  Houses() = default;
  explicit Houses(manta::Buffer table) : table_(std::move(table)) {}
  std::size_t size() const { return table_.size_bytes / (kColumns * sizeof(float)); }
  const float* features(std::size_t house) const {
    return reinterpret_cast<const float*>(table_.data) + house * kColumns;
  }
  float price(std::size_t house) const { return features(house)[kFeatures]; }

  template <class Archive>
  void serialize(Archive& archive) {
    archive(table_);
  }

 private:
  manta::Buffer table_;
};

// Reads the file with its lines in a random order, the same each time, since they are sorted by place. Throws
// std::runtime_error that says what is wrong with the file and what to do.
Houses read_houses(const std::filesystem::path& csv);
