// Function objects as tasks, and which arguments stand for which parameters; against the fake runtime.
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <manta/manta.h>

#include "tests/core/api/fake_runtime.h"

namespace manta::testing {
namespace {

class Calls : public ::testing::Test {
 protected:
  ~Calls() override { EXPECT_EQ(live_entries(), 0u); }
};

template <class Call>
std::string refused(Call call) {
  try {
    (void)call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.what();
  }
  return "not refused";
}

// --- function objects

struct Pixel {
  std::uint8_t rgb[3];
};
struct Scale {
  std::vector<double> weights;
  std::string name;
  double operator()(std::size_t i) const { return 2 * weights.at(i); }
};
class Model {  // cereal's conventions
 public:
  Model() = default;
  explicit Model(std::string prefix) : prefix_(std::move(prefix)) {}
  std::string operator()(int x, const std::string& end) { return prefix_ + std::to_string(x) + end; }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(prefix_);
  }

 private:
  std::string prefix_;
};

TEST_F(Calls, LambdasTravelWithTheirCaptures) {
  const int x = 40;
  const double rate = 0.5;
  const Pixel pixel{{1, 2, 3}};
  EXPECT_EQ(get(remote<>([x](int y) { return x + y; })(2)), 42);
  EXPECT_EQ(get(remote<>([x, rate, pixel](double y) { return x * rate + y + pixel.rgb[2]; })(1.0)), 24.0);
  EXPECT_EQ(get(remote<>([x, y = std::uint8_t{2}] { return x + y; })()), 42);
  EXPECT_EQ(get(remote<>([](int y) { return 2 * y; })(21)), 42);
  EXPECT_EQ(get(remote<>([x](int y) noexcept { return x + y; })(remote<>([x] { return x; })())), 80);
}

TEST_F(Calls, ALargeCaptureTravels) {
  std::array<int, 5'000> numbers{};
  numbers[4'999] = 7;
  EXPECT_EQ(get(remote<>([numbers](int i) { return numbers[i]; })(4'999)), 7);
}

TEST_F(Calls, EachCallHasACopyOfItsOwn) {
  const auto count = remote<>([n = 1]() mutable { return n++; });
  EXPECT_EQ(get(count()), 1);
  EXPECT_EQ(get(count()), 1);
}

TEST_F(Calls, CallableStructsTravelAsValues) {
  const auto scale = remote<>(Scale{{1, 2, 3}, "three"});
  EXPECT_EQ(get(scale(2)), 6);
  EXPECT_EQ(get(scale(remote<>([](int i) -> std::uint64_t { return i; })(1))), 4);
  Model model("a");
  EXPECT_EQ(get(remote<>(model)(1, "z")), "a1z");
}

TEST_F(Calls, FunctionObjectsHaveOptions) {
  const std::string name = "shift";
  const auto shift =
      remote<>([by = 3](int x) { return x + by; }).options({.num_cpus = 2, .max_retries = 5, .name = name});
  EXPECT_EQ(get(shift(4)), 7);
  EXPECT_EQ(last_task().num_cpus, 2);
  EXPECT_EQ(last_task().max_retries, 5);
  EXPECT_EQ(last_task().name, "shift");
  EXPECT_EQ(get(shift.options({.num_cpus = 1})(5)), 8);
  EXPECT_EQ(last_task().num_cpus, 1);
}

TEST_F(Calls, FunctionObjectsTakeMoveOnlyArguments) {
  const int x = 1;
  EXPECT_EQ(get(remote<>([x](std::unique_ptr<int> p) { return *p + x; })(std::make_unique<int>(6))), 7);
}

TEST_F(Calls, ALambdaMayBeACoroutineOrAGenerator) {
  const int x = 5;
  const Ref<int> six = put(6);
  EXPECT_EQ(get(remote<>([x](Ref<int> y) -> Task<int> { co_return x + co_await y; })(six)), 11);
}

TEST_F(Calls, AnAddressOnTheStackIsRefused) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer keeps locals elsewhere, to find uses after a return";
#endif
  int x = 1;
  EXPECT_NE(refused([&] { return remote<>([&x](int y) { return x + y; }); }).find("address of a local variable"),
            std::string::npos);
  EXPECT_NE(refused([&] { return remote<>([p = &x](int y) { return *p + y; }); }).find("capture a copy"),
            std::string::npos);
  std::thread([&] {
    int local = 2;
    EXPECT_NE(refused([&] { return remote<>([n = 1, &local] { return n + local; }); }).find("address"),
              std::string::npos);
  }).join();
  EXPECT_EQ(get(remote<>([x, y = std::int64_t{-1}, z = 1e300] { return x + (y < 0) + (z > 0); })()), 3);
}

TEST_F(Calls, TheCountOfArgumentsInMessagesIsThatOfTheCall) {
  EXPECT_NE(
      refused([&] { return remote<>([x = 1](int y, int z) { return x + y + z; })(1, Ref<int>()); }).find("argument 2"),
      std::string::npos);
}

// --- conversions

long widened(long x) { return x; }
double widened_to_double(const double& x) { return x; }
int value_or(std::optional<int> x) { return x.value_or(-1); }
long optional_long(const std::optional<long>& x) { return x.value_or(-1); }
int as_byte(unsigned char x) { return x; }
std::size_t as_size(std::size_t x) { return x; }
int as_int(int x) { return x; }
float as_float(float x) { return x; }
bool as_bool(bool x) { return x; }
int optional_byte(std::optional<unsigned char> x) { return x.value_or(0); }
int byte_of_pair(std::pair<std::string, unsigned char> x) { return x.second; }
Task<long> awaited(const long& x) {
  co_await yield();
  co_return x;
}

TEST_F(Calls, ARefStandsForAWiderParameter) {
  const Ref<int> seven = put(7);
  EXPECT_EQ(get(remote<widened>(seven)), 7);
  EXPECT_EQ(get(remote<widened>(put(-7))), -7);
  EXPECT_EQ(get(remote<widened_to_double>(seven)), 7);
  EXPECT_EQ(get(remote<widened_to_double>(put(0.5f))), 0.5);
  EXPECT_EQ(get(remote<widened_to_double>(put(0.5))), 0.5);
  EXPECT_EQ(get(remote<widened>(put(std::uint32_t{4'000'000'000}))), 4'000'000'000);
  EXPECT_EQ(get(remote<as_int>(put(true))), 1);
  EXPECT_EQ(get(remote<awaited>(seven)), 7);
}

TEST_F(Calls, ARefStandsForAnOptionalParameter) {
  const Ref<int> seven = put(7);
  EXPECT_EQ(get(remote<value_or>(seven)), 7);
  EXPECT_EQ(get(remote<optional_long>(seven)), 7);
  EXPECT_EQ(get(remote<value_or>(put(std::optional<int>()))), -1);
  EXPECT_EQ(get(remote<value_or>(8)), 8);
  EXPECT_EQ(get(remote<value_or>(std::nullopt)), -1);
}

TEST_F(Calls, ANumberThatTheParameterCannotHoldIsRefused) {
  EXPECT_EQ(
      refused([] { return remote<as_byte>(1001); }),
      "argument 1 of a remote call is 1001, which the parameter's type cannot hold (0 to 255): pass a value that it "
      "can, or give the parameter another type");
  EXPECT_NE(refused([] { return remote<as_size>(-1); }).find("is -1,"), std::string::npos);
  EXPECT_NE(refused([] { return remote<as_int>(std::size_t{1} << 40); }), "not refused");
  EXPECT_NE(refused([] { return remote<as_int>(2.5); }).find("is 2.5,"), std::string::npos);
  EXPECT_NE(refused([] { return remote<as_int>(3e9); }), "not refused");
  EXPECT_NE(refused([] { return remote<as_int>(std::nan("")); }), "not refused");
  EXPECT_NE(refused([] { return remote<as_float>(1e300); }), "not refused");
  EXPECT_NE(refused([] { return remote<as_float>(16'777'217); }), "not refused");
  EXPECT_NE(refused([] { return remote<optional_byte>(256); }), "not refused");
  EXPECT_NE(refused([] { return remote<optional_byte>(std::optional<int>(256)); }), "not refused");
  EXPECT_NE(refused([] { return remote<byte_of_pair>(std::pair("a", 256)); }), "not refused");
  enum Level { high = 300 };
  EXPECT_NE(refused([] { return remote<as_byte>(high); }), "not refused");
}

TEST_F(Calls, ANumberThatItCanHoldConverts) {
  EXPECT_EQ(get(remote<as_byte>(255)), 255);
  EXPECT_EQ(get(remote<as_size>(3)), 3u);
  EXPECT_EQ(get(remote<as_int>(2.0)), 2);
  EXPECT_EQ(get(remote<as_int>(-2147483648.0)), std::numeric_limits<int>::min());
  EXPECT_EQ(get(remote<as_float>(0.1)), 0.1f);
  EXPECT_TRUE(std::isnan(get(remote<as_float>(std::nan("")))));
  EXPECT_TRUE(std::isinf(get(remote<as_float>(std::numeric_limits<double>::infinity()))));
  EXPECT_EQ(get(remote<as_float>(16'777'216)), 16'777'216.f);
  EXPECT_TRUE(get(remote<as_bool>(4)));
  EXPECT_EQ(get(remote<optional_byte>(std::optional<int>(7))), 7);
  EXPECT_EQ(get(remote<byte_of_pair>(std::pair("a", 7))), 7);
  EXPECT_NE(refused([] { return remote<widened_to_double>(std::numeric_limits<std::int64_t>::max()); }), "not refused");
}

// --- get and wait of more than one

TEST_F(Calls, GetKeepsTheArrangement) {
  const auto number = [](int x) { return put(x); };
  const Ref<std::string> text = put(std::string("t"));
  const auto [a, b] = get(number(1), text);
  EXPECT_EQ(a, 1);
  EXPECT_EQ(b, "t");
  EXPECT_EQ(get(std::tuple(number(1), text, std::vector{number(2), number(3)})),
            std::tuple(1, std::string("t"), std::vector{2, 3}));
  EXPECT_EQ(manta::get(std::pair(number(1), text)), std::pair(1, std::string("t")));
  EXPECT_EQ(get(std::array{number(4), number(5)}), (std::array{4, 5}));
  const Ref<int> some[2] = {number(6), number(7)};
  EXPECT_EQ(get(some), (std::array{6, 7}));
  EXPECT_EQ(get(std::span<const Ref<int>>(some)), (std::vector{6, 7}));
  EXPECT_EQ(get(std::map<std::string, Ref<int>>{{"x", number(8)}, {"y", number(9)}}),
            (std::map<std::string, int>{{"x", 8}, {"y", 9}}));
  EXPECT_EQ(get(std::unordered_map<int, std::vector<Ref<int>>>{{3, {number(8), number(9)}}}),
            (std::unordered_map<int, std::vector<int>>{{3, {8, 9}}}));
  EXPECT_EQ(get(std::optional(number(1))), std::optional(1));
  EXPECT_EQ(get(std::optional<Ref<int>>()), std::nullopt);
  EXPECT_EQ(get(std::vector<std::vector<Ref<int>>>{{number(1)}, {}}), (std::vector<std::vector<int>>{{1}, {}}));
  get(std::array{remote<>([] {})(), remote<>([] {})()});
}

TEST_F(Calls, TheFirstErrorInOrderIsThrown) {
  const auto fail = [](const char* what) {
    return remote<>([](const std::string& text) -> int { throw std::runtime_error(text); })(what);
  };
  const std::map<int, Ref<int>> refs{{1, put(1)}, {2, fail("two")}, {3, fail("three")}};
  const auto result = try_get(refs);
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message().find("two"), std::string::npos);
  EXPECT_THROW((void)get(put(1), refs), TaskError);
  EXPECT_EQ(try_get(put(1), put(2.5)).value(), std::tuple(1, 2.5));
  EXPECT_EQ(refused([] { return get(std::tuple(put(1), Ref<int>())); }).find("an empty Ref"), 0u);
}

TEST_F(Calls, WaitTakesWhatGetTakes) {
  HoldTasks held;
  const auto task = [] { return remote<>([] { return 1; })(); };
  std::array refs{task(), task(), task()};
  const std::array before = refs;
  held.run(2);
  EXPECT_EQ(wait(refs, {.count = 1}), 1u);
  EXPECT_EQ(refs[0], before[2]);  // in place
  EXPECT_EQ(wait(before, {.count = 3, .timeout = std::chrono::nanoseconds::zero()}), 1u);
  const std::map<int, Ref<int>> map{{1, before[0]}, {2, before[2]}};
  EXPECT_EQ(wait(map), 1u);
  EXPECT_EQ(wait(std::tie(before[2], before[0]), {.count = 2, .timeout = std::chrono::nanoseconds::zero()}), 1u);
  EXPECT_EQ(wait(before[0], {.timeout = std::chrono::nanoseconds::zero()}), 0u);
  EXPECT_EQ(wait(map, {.count = 2}), 2u);
}

TEST_F(Calls, WhenAnyAndWhenAllRunOutsideOfCoroutines) {
  HoldTasks held;
  const auto task = [](int x) { return remote<>([](int y) { return y; })(x); };
  const Ref<int> a = task(1);
  const Ref<int> b = task(2);
  const Ref<std::string> text = put(std::string("t"));
  EXPECT_EQ(get(when_any(a, b, text)), 2u);
  held.run(1);
  EXPECT_EQ(get(when_any(std::vector{a, b})), 1u);
  EXPECT_EQ(get(when_any(std::map<int, Ref<int>>{{1, a}, {2, b}})), 1u);
  EXPECT_EQ(refused([] { return when_any(std::vector<Ref<int>>()); }).find("manta::when_any was given no refs"), 0u);
  const auto [x, t] = get(when_all(a, text));
  EXPECT_EQ(x, 1);
  EXPECT_EQ(t, "t");
  EXPECT_EQ(get(when_all(std::map<int, Ref<int>>{{1, a}, {2, b}})), (std::map<int, int>{{1, 1}, {2, 2}}));
}

Task<int> first_value(Ref<int> a, Ref<int> b) {
  auto any = when_any(a, b);
  const std::size_t first = co_await any;
  auto all = when_all(a, b);
  const auto [x, y] = co_await all;
  co_return 100 * static_cast<int>(first) + 10 * x + y;
}

TEST_F(Calls, WhenAnyIsAwaitable) {
  HoldTasks held;
  const auto task = [](int x) { return remote<>([](int y) { return y; })(x); };
  const Ref<int> a = task(1);
  const Ref<int> b = task(2);
  held.run(1);
  EXPECT_EQ(get(first_value(a, b)), 112);
}

}  // namespace
}  // namespace manta::testing
