// manta::Array: shapes, orders, and what it refuses.
#include <complex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <manta/array.h>
#include <manta/get.h>

#include "tests/core/serial/round_trip.h"

namespace manta::testing {
namespace {

static_assert(Serializable<Array<float>>);
static_assert(Serializable<std::vector<Array<std::complex<double>>>>);
static_assert(detail::converts_without_loss<std::vector<int>, Array<int>>());
static_assert(!detail::converts_without_loss<std::vector<int>, Array<unsigned>>());
static_assert(!detail::converts_without_loss<std::vector<bool>, Array<char>>());
static_assert(!detail::converts_without_loss<std::string, Array<char>>());

template <class Call>
std::string refusal(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.what();
  }
  return "nothing was refused";
}

TEST(Arrays, HoldAVector) {
  const Array xs = std::vector<int>{1, 2, 3, 4, 5, 6};
  EXPECT_EQ(xs.size(), 6u);
  EXPECT_EQ(xs.shape(), (std::vector<std::int64_t>{6}));
  EXPECT_EQ(xs[5], 6);
  EXPECT_EQ(xs.at(2), 3);
  const Array<int> copy = xs;
  EXPECT_EQ(copy.data(), xs.data()) << "copies share the elements";
  EXPECT_TRUE(Array<int>().empty());
  EXPECT_TRUE(Array<int>().shape().empty());
}

TEST(Arrays, HaveAShape) {
  const Array<int> rows(std::vector{1, 2, 3, 4, 5, 6}, {2, 3});
  EXPECT_EQ(rows.at(1, 0), 4);
  EXPECT_EQ(rows.at(0, 2), 3);
  const Array<int> columns(rows.buffer(), {2, 3}, ArrayOrder::column_major);
  EXPECT_EQ(columns.at(1, 0), 2);
  EXPECT_EQ(columns.at(0, 2), 5);
  EXPECT_EQ(Array<int>(std::vector<int>(), {0, 3}).size(), 0u);
  EXPECT_EQ(refusal([&] { (void)rows.at(2, 0); }), "manta::Array: (2, 0) is no element of shape (2, 3)");
  EXPECT_EQ(refusal([&] { (void)rows.at(0, -1); }), "manta::Array: (0, -1) is no element of shape (2, 3)");
  EXPECT_EQ(refusal([&] { (void)rows.at(0); }), "manta::Array: (0) is no element of shape (2, 3)");
  for (const std::vector<std::int64_t>& shape :
       {std::vector<std::int64_t>{2, 2}, {-2, -3}, {std::int64_t{1} << 62, std::int64_t{1} << 62}, {7}}) {
    EXPECT_NE(refusal([&] {
                (void)Array<int>(std::vector{1, 2, 3, 4, 5, 6}, shape);
              }).find("6 elements of shape"),
              std::string::npos);
  }
  const Buffer& bytes = rows.buffer();
  EXPECT_NE(refusal([&] {
              (void)Array<int>(Buffer{bytes.data, 23, bytes.keepalive});
            }).find("23 bytes are no elements"),
            std::string::npos);
  EXPECT_NE(refusal([&] {
              (void)Array<int>(Buffer{bytes.data + 1, 16, bytes.keepalive});
            }).find("not aligned"),
            std::string::npos);
}

TEST(Arrays, Travel) {
  for (const int size : {0, 3, 30'000}) {
    const Array<double> xs(std::vector<double>(static_cast<std::size_t>(size), 1.5), {3, size / 3});
    const Array<double> again = round_trip(xs);
    EXPECT_EQ(again.to_vector(), xs.to_vector());
    EXPECT_EQ(again.shape(), xs.shape());
  }
  EXPECT_TRUE(round_trip(Array<int>()).shape().empty());
  const Array<int> columns(Array<int>(std::vector{1, 2, 3, 4, 5, 6}).buffer(), {2, 3}, ArrayOrder::column_major);
  EXPECT_EQ(round_trip(columns).at(1, 0), 2);
}

}  // namespace
}  // namespace manta::testing
