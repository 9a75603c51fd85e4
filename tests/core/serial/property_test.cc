// For all values: what is read is what was written, and no prefix of an encoding is one.
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "tests/core/serial/round_trip.h"

namespace manta::testing {
namespace {

using Nested = std::tuple<int, std::string, std::vector<std::string>, std::map<std::string, std::vector<double>>>;
using Numbers = std::vector<std::tuple<std::int8_t, std::uint64_t, double, bool>>;

RC_GTEST_PROP(SerialProperties, RoundTrip, (const Nested& value)) { RC_ASSERT(round_trip(value) == value); }

RC_GTEST_PROP(SerialProperties, RoundTripOfNumbers, (const Numbers& value)) { RC_ASSERT(round_trip(value) == value); }

RC_GTEST_PROP(SerialProperties, EqualValuesHaveEqualEncodings, (const Nested& value)) {
  const Nested copy = value;
  const Encoding a = encode(value);
  const Encoding b = encode(copy);
  RC_ASSERT(std::equal(a.bytes().begin(), a.bytes().end(), b.bytes().begin(), b.bytes().end()));
}

// Sizes on both sides of the border to out of band, in any order.
RC_GTEST_PROP(SerialProperties, MixturesOfLargeAndSmall, ()) {
  const auto sizes = *rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(4000, 4200));
  std::vector<std::string> value;
  for (const std::size_t size : sizes) value.emplace_back(size, static_cast<char>('a' + size % 26));
  RC_ASSERT(round_trip(value) == value);
}

RC_GTEST_PROP(SerialProperties, NoPrefixIsAnEncoding, (const Nested& value)) {
  const Encoding encoding = encode(value);
  const auto size = *rc::gen::inRange<std::size_t>(0, encoding.bytes().size());
  const Encoding prefix(encoding.bytes().first(size), encoding.framed());
  RC_ASSERT_THROWS_AS(decode<Nested>(prefix), Error);
}

RC_GTEST_PROP(SerialProperties, AnyBytesAreAValueOrAnError, (const std::vector<std::uint8_t>& bytes, bool framed)) {
  const Encoding encoding(std::as_bytes(std::span(bytes)), framed);
  try {
    const Nested value = decode<Nested>(encoding);
    RC_ASSERT(round_trip(value) == round_trip(round_trip(value)));
  } catch (const Error&) {
    RC_SUCCEED("refused");
  }
}

}  // namespace
}  // namespace manta::testing
