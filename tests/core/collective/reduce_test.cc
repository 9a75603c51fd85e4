// All reductions of all types against a plain loop, and both compilations of the loops against each other.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

#include "core/collective/reduce.h"
#include "tests/core/collective/members.h"

namespace manta::collective {
namespace {

const DataType kTypes[] = {DataType::u8,  DataType::i8,   DataType::i16, DataType::i32, DataType::i64,
                           DataType::f16, DataType::bf16, DataType::f32, DataType::f64, DataType::boolean};
const Reduction kReductions[] = {Reduction::sum,     Reduction::average, Reduction::product, Reduction::minimum,
                                 Reduction::maximum, Reduction::bit_and, Reduction::bit_or,  Reduction::bit_xor};

bool reducible(DataType type, Reduction reduction) {
  try {
    require_reducible(type, reduction);
    return true;
  } catch (const Error&) {
    return false;
  }
}

template <class T>
T plain(Reduction reduction, T a, T b) {
  switch (reduction) {
    case Reduction::sum:
    case Reduction::average:
      return static_cast<T>(a + b);
    case Reduction::product:
      return static_cast<T>(a * b);
    case Reduction::minimum:
      return std::min(a, b);
    case Reduction::maximum:
      return std::max(a, b);
    default:
      break;
  }
  if constexpr (std::is_integral_v<T>) {
    if (reduction == Reduction::bit_and) return static_cast<T>(a & b);
    if (reduction == Reduction::bit_or) return static_cast<T>(a | b);
    return static_cast<T>(a ^ b);
  }
  return a;
}

template <class T>
void compare_with_plain(DataType type) {
  std::mt19937 random(7);
  for (const Reduction reduction : kReductions) {
    if (!reducible(type, reduction)) continue;
    for (const int ranks : {1, 2, 3, 4}) {
      for (const std::size_t count : {0, 1, 7, 511, 512, 513, 2000}) {
        std::vector<std::vector<T>> inputs(static_cast<std::size_t>(ranks), std::vector<T>(count));
        std::vector<const void*> places;
        for (auto& input : inputs) {
          for (T& value : input) value = static_cast<T>(static_cast<int>(random() % 7));
          places.push_back(input.data());
        }
        std::vector<T> expected = inputs[0];
        for (std::size_t i = 0; i < count; ++i) {
          for (int rank = 1; rank < ranks; ++rank) {
            expected[i] = plain(reduction, expected[i], inputs[static_cast<std::size_t>(rank)][i]);
          }
          if (reduction == Reduction::average) expected[i] = expected[i] / static_cast<T>(ranks);
        }
        // In the place of the last input, as groups do it.
        reduce_values(type, reduction, inputs.back().data(), places.data(), ranks, count);
        ASSERT_EQ(inputs.back(), expected) << to_string(type) << ' ' << to_string(reduction) << ' ' << ranks;
      }
    }
  }
}

TEST(Reduce, AsAPlainLoop) {
  compare_with_plain<std::uint8_t>(DataType::u8);
  compare_with_plain<std::int8_t>(DataType::i8);
  compare_with_plain<std::int16_t>(DataType::i16);
  compare_with_plain<std::int32_t>(DataType::i32);
  compare_with_plain<std::int64_t>(DataType::i64);
  compare_with_plain<float>(DataType::f32);
  compare_with_plain<double>(DataType::f64);
}

TEST(Reduce, Booleans) {
  const std::uint8_t a[] = {0, 0, 1, 1}, b[] = {0, 1, 0, 1};
  const void* const inputs[] = {a, b};
  std::uint8_t out[4];
  reduce_values(DataType::boolean, Reduction::sum, out, inputs, 2, 4);
  EXPECT_EQ(std::vector<int>(out, out + 4), (std::vector<int>{0, 1, 1, 1}));
  reduce_values(DataType::boolean, Reduction::product, out, inputs, 2, 4);
  EXPECT_EQ(std::vector<int>(out, out + 4), (std::vector<int>{0, 0, 0, 1}));
}

TEST(Reduce, NaNWins) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float a[] = {nan, 1}, b[] = {1, nan};
  const void* const inputs[] = {a, b};
  for (const Reduction reduction : {Reduction::minimum, Reduction::maximum}) {
    float out[2];
    reduce_values(DataType::f32, reduction, out, inputs, 2, 2);
    EXPECT_TRUE(std::isnan(out[0]) && std::isnan(out[1]));
  }
}

double from_bfloat(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }
double from_half(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const double fraction = bits & 1023;
  const double value = exponent == 0    ? std::ldexp(fraction, -24)
                       : exponent == 31 ? (fraction == 0 ? INFINITY : NAN)
                                        : std::ldexp(1024 + fraction, exponent - 25);
  return (bits & 0x8000) != 0 ? -value : value;
}

// The value of 16 bits, and each neighbour: nothing may be nearer to the exact sum.
void check_nearest(DataType type, std::uint16_t a, std::uint16_t b, std::uint16_t sum) {
  const auto value = type == DataType::f16 ? from_half : from_bfloat;
  const double exact = static_cast<float>(value(a)) + static_cast<float>(value(b));
  if (std::isnan(exact)) {
    ASSERT_TRUE(std::isnan(value(sum)));
    return;
  }
  if (std::isinf(value(sum))) {
    const double largest = type == DataType::f16 ? 65519 : 3.3e38;
    ASSERT_GT(std::abs(exact), largest);
    return;
  }
  const double off = std::abs(value(sum) - exact);
  for (const int step : {-1, 1}) {
    const auto neighbour = static_cast<std::uint16_t>(sum + step);
    if (((sum ^ neighbour) & 0x8000) != 0 || !std::isfinite(value(neighbour))) continue;
    ASSERT_LE(off, std::abs(value(neighbour) - exact)) << value(a) << " + " << value(b);
  }
}

TEST(Reduce, SixteenBitSumsAreRoundedToNearest) {
  for (const DataType type : {DataType::f16, DataType::bf16}) {
    std::vector<std::uint16_t> a, b, sum(65'536), third(65'536);
    for (int i = 0; i < 65'536; ++i) {
      a.push_back(static_cast<std::uint16_t>(i));
      b.push_back(static_cast<std::uint16_t>(i * 40'503 + 77));
    }
    const void* const inputs[] = {a.data(), b.data()};
    reduce_values(type, Reduction::sum, sum.data(), inputs, 2, sum.size());
    reduce_anywhere(type, Reduction::sum, third.data(), inputs, 2, sum.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      check_nearest(type, a[i], b[i], sum[i]);
      check_nearest(type, a[i], b[i], third[i]);
    }
  }
}

TEST(Reduce, TheSameBitsOnAllProcessors) {
  std::mt19937 random(3);
  for (const DataType type : kTypes) {
    for (const Reduction reduction : kReductions) {
      if (!reducible(type, reduction)) continue;
      for (const int ranks : {2, 3}) {
        const std::size_t count = 1037, bytes = count * size_of(type);
        std::vector<std::vector<std::byte>> inputs(static_cast<std::size_t>(ranks), std::vector<std::byte>(bytes));
        std::vector<const void*> places;
        for (auto& input : inputs) {
          // Numbers of moderate size whatever the type: no NaN, whose payload depends on the processor.
          for (std::size_t i = 0; i < bytes; ++i) {
            input[i] = type == DataType::boolean                           ? std::byte(random() & 1)
                       : (i + 1) % size_of(type) == 0 && size_of(type) > 1 ? std::byte(0x3f)
                                                                           : std::byte(random());
          }
          places.push_back(input.data());
        }
        std::vector<std::byte> here(bytes), anywhere(bytes);
        reduce_values(type, reduction, here.data(), places.data(), ranks, count);
        reduce_anywhere(type, reduction, anywhere.data(), places.data(), ranks, count);
        EXPECT_EQ(here, anywhere) << to_string(type) << ' ' << to_string(reduction);
      }
    }
  }
}

TEST(Reduce, WhatMakesNoSenseIsRefused) {
  EXPECT_FALSE(reducible(DataType::f32, Reduction::bit_or));
  EXPECT_FALSE(reducible(DataType::i32, Reduction::average));
  EXPECT_FALSE(reducible(DataType::boolean, Reduction::average));
  EXPECT_TRUE(reducible(DataType::f16, Reduction::average));
}

// In a group, over all types.
TEST(Reduce, GroupsOfThreeReduceAllTypes) {
  run_group(Kind::threads, 3, [](Group& group) {
    for (const DataType type : kTypes) {
      for (const std::size_t count : {7, 100'000}) {
        std::vector<std::byte> bytes(count * size_of(type), std::byte{1});
        group.all_reduce(bytes.data(), count, type, Reduction::maximum);
        EXPECT_EQ(bytes, std::vector<std::byte>(count * size_of(type), std::byte{1})) << to_string(type);
      }
    }
  });
}

}  // namespace
}  // namespace manta::collective
