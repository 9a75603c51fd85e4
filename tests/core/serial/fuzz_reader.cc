// libFuzzer: no bytes make a reader do harm, and what it accepts survives another trip. Built with clang where it has
// libFuzzer; run for a while with  bin/fuzz_reader -max_len=20000 FOLDER
#include <cstdint>
#include <list>
#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "tests/core/serial/round_trip.h"

namespace {

using namespace manta;

struct Own {
  std::string text;
  std::vector<std::uint16_t> numbers;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(text, numbers);
  }
};
struct Everything {
  std::vector<Everything> inner;
  std::unique_ptr<Everything> other;
  std::vector<std::shared_ptr<std::string>> shared;
  std::vector<std::shared_ptr<int>> numbers;
  std::map<std::string, std::vector<int>> map;
  std::set<std::uint8_t> set;
  std::list<std::vector<bool>> bits;
  std::variant<int, std::string, std::unique_ptr<double>> either;
  std::optional<Own> own;
  Buffer buffer;
  std::string text;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const testing::Encoding encoding(std::as_bytes(std::span(data + 1, size - 1)), (data[0] & 1) != 0);
  try {
    const auto value = testing::decode<Everything>(encoding);
    (void)testing::round_trip(value);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::invalid_argument) throw;
  }
  return 0;
}
