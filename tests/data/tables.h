// Random tables for tests, and a folder that is removed.
#pragma once

#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <unistd.h>

#include <manta/data.h>

namespace manta::data {

/// A row with everything that makes trouble: nulls, NaN, duplicates, long and foreign text.
struct Messy {
  std::int64_t id;
  std::string key;
  std::optional<double> x;
  std::optional<std::string> note;
  std::int32_t group;
  bool operator==(const Messy& other) const {
    const bool both_nan = x && other.x && *x != *x && *other.x != *other.x;
    return id == other.id && key == other.key && (both_nan || x == other.x) && note == other.note &&
           group == other.group;
  }
};

inline std::vector<Messy> messy_rows(std::uint32_t seed, std::int64_t count) {
  std::mt19937 random(seed);
  static const std::vector<std::string> keys = {"a",
                                                "",
                                                "JFK",
                                                "köln",
                                                "日本語テキスト",
                                                "it's",
                                                "\"quoted\"",
                                                "a text that is longer than what fits into twelve bytes"};
  std::vector<Messy> rows;
  for (std::int64_t i = 0; i < count; ++i) {
    Messy row{i, keys[random() % keys.size()], {}, {}, static_cast<std::int32_t>(random() % 5)};
    const std::uint32_t kind = random() % 10;
    if (kind == 0) row.x = std::numeric_limits<double>::quiet_NaN();
    if (kind > 1) row.x = static_cast<double>(random() % 1000) / 4 - 100;
    if (random() % 3 != 0) row.note = keys[random() % keys.size()];
    rows.push_back(std::move(row));
  }
  return rows;
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "manta-data-test-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::string string() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

/// The message of the Error that the call throws; empty: none.
template <class Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

}  // namespace manta::data
