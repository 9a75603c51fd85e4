// Prints what encoding and decoding of a typical small value cost; asserts nothing about it (see bench for that).
#include <chrono>
#include <cstdio>
#include <string>

#include <gtest/gtest.h>

#include "tests/core/serial/round_trip.h"

namespace manta::testing {
namespace {

struct Typical {
  int number = 0;
  std::string text = "fourteen chars";
  double a = 1, b = 2, c = 3;
};

template <class Body>
double nanoseconds_each(Body body) {
  constexpr int kRounds = 500'000;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kRounds; ++i) body(i);
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count() / kRounds;
}

TEST(Speed, OfATypicalValue) {
  alignas(64) std::byte bytes[128];
  std::size_t size = 0;
  Typical value;
  for (int round = 0; round < 3; ++round) {
    const double encode_ns = nanoseconds_each([&](int i) {
      value.number = i;
      serial::Writer writer;
      writer(value);
      size = writer.encoded_size();
      writer.encode_into(bytes);
      asm volatile("" : : "r"(bytes) : "memory");
    });
    const double decode_ns = nanoseconds_each([&](int) {
      serial::Reader reader(std::span<const std::byte>(bytes, size));
      Typical result = serial::decode<Typical>(reader);
      asm volatile("" : : "r"(&result) : "memory");
    });
    std::printf("%zu bytes: encode %.1f ns, decode %.1f ns\n", size, encode_ns, decode_ns);
  }
  EXPECT_EQ(size, 4u + 15 + 24);
}

}  // namespace
}  // namespace manta::testing
