// Types of the standard library survive the trip.
#include <bitset>
#include <chrono>
#include <complex>
#include <deque>
#include <filesystem>
#include <forward_list>
#include <functional>
#include <future>
#include <limits>
#include <list>
#include <map>
#include <optional>
#include <queue>
#include <set>
#include <stack>
#include <string>
#include <system_error>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "tests/core/serial/round_trip.h"

namespace manta::testing {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

template <class T>
void expect_same(const T& value) {
  static_assert(Serializable<T>);
  EXPECT_EQ(round_trip(value), value);
}

enum class Colour : std::uint8_t { red = 3, blue = 200 };
enum class Flag : bool { off, on };
enum Plain { kOne = 1, kTwo = 2 };

TEST(StdTypes, Numbers) {
  expect_same(std::numeric_limits<std::int64_t>::min());
  expect_same(std::numeric_limits<std::uint64_t>::max());
  expect_same(std::int8_t{-1});
  expect_same('x');
  expect_same(u'x');
  expect_same(1.5f);
  expect_same(-0.0);
  expect_same(std::numeric_limits<double>::infinity());
  expect_same(static_cast<long double>(1) / 3);
  expect_same(true);
  expect_same(false);
  EXPECT_NE(round_trip(std::numeric_limits<double>::quiet_NaN()), 0.0);
}

TEST(StdTypes, Enums) {
  expect_same(Colour::blue);
  expect_same(Flag::on);
  expect_same(kTwo);
  expect_same(std::byte{7});
}

TEST(StdTypes, Strings) {
  expect_same(""s);
  expect_same("with\0nul"s);
  expect_same(std::string(127, 'a'));
  expect_same(std::string(128, 'a'));
  expect_same(std::string(4095, 'a'));
  expect_same(std::string(4096, 'a'));
  expect_same(std::string(1'000'000, 'a'));
  expect_same(U"wide \U0001F600"s);
  expect_same(u"sixteen"s);
}

TEST(StdTypes, Sequences) {
  expect_same(std::vector<int>{});
  expect_same(std::vector<int>{1, 2, 3});
  expect_same(std::vector<bool>{true, false, true});
  expect_same(std::vector<std::string>{"a", "", "ccc"});
  expect_same(std::vector<std::vector<std::vector<double>>>{{{1, 2}, {}}, {}, {{3}}});
  expect_same(std::deque<int>{1, 2, 3});
  expect_same(std::list<std::string>{"x", "y"});
  expect_same(std::array<int, 3>{1, 2, 3});
  expect_same(std::array<std::string, 2>{"a", "b"});
  expect_same(std::array<int, 0>{});
  expect_same(std::vector<std::array<double, 2>>{{1, 2}, {3, 4}});
  expect_same(std::vector<float>(100'000, 2.5f));
}

TEST(StdTypes, MapsAndSets) {
  expect_same(std::map<std::string, std::vector<int>>{{"a", {1}}, {"b", {}}});
  expect_same(std::multimap<int, int>{{1, 2}, {1, 3}});
  expect_same(std::unordered_map<int, std::string>{{1, "x"}, {2, "y"}});
  expect_same(std::unordered_multimap<int, int>{{1, 2}, {1, 2}});
  expect_same(std::set<std::string>{"a", "b"});
  expect_same(std::multiset<int>{1, 1, 2});
  expect_same(std::unordered_set<std::string>{"a", "b"});
  expect_same(std::unordered_multiset<int>{1, 1});
  expect_same(std::map<std::pair<int, int>, std::map<int, std::optional<std::string>>>{{{1, 2}, {{3, "x"}}}});
}

TEST(StdTypes, Sums) {
  expect_same(std::optional<int>{});
  expect_same(std::optional<std::string>{"x"});
  expect_same(std::optional<std::optional<int>>{std::optional<int>{}});
  using Variant = std::variant<std::monostate, int, std::string, std::vector<double>>;
  expect_same(Variant{});
  expect_same(Variant{5});
  expect_same(Variant{"text"});
  expect_same(Variant{std::vector<double>{1, 2}});
  expect_same(std::variant<int, int>{std::in_place_index<1>, 3});
}

TEST(StdTypes, Products) {
  expect_same(std::tuple<>{});
  expect_same(std::tuple{1, "two"s, 3.0});
  expect_same(std::pair{1, std::vector{1, 2}});
  expect_same(std::complex<double>{1, -2});
  expect_same(std::vector<std::complex<float>>{{1, 2}});
}

TEST(StdTypes, Adaptors) {
  const auto drained = [](auto adaptor) {
    std::vector<int> elements;
    while (!adaptor.empty()) {
      if constexpr (requires { adaptor.front(); }) {
        elements.push_back(adaptor.front());
      } else {
        elements.push_back(adaptor.top());
      }
      adaptor.pop();
    }
    return elements;
  };
  expect_same(std::queue<std::string>({"a", "b"}));
  expect_same(std::stack<int>({1, 2}));
  std::priority_queue<int, std::vector<int>, std::greater<>> heap;
  for (const int each : {3, 1, 2}) heap.push(each);
  EXPECT_EQ(drained(round_trip(heap)), (std::vector<int>{1, 2, 3}));
  expect_same(std::forward_list<std::string>{"x", "y"});
  static_assert(!Serializable<std::queue<int*>> && !Serializable<std::forward_list<int*>>);
}

TEST(StdTypes, Bits) {
  expect_same(std::bitset<0>());
  expect_same(std::bitset<7>("1010101"));
  expect_same(std::bitset<130>().set(0).set(64).set(129));
  struct Mask {
    std::bitset<70> bits;
    int n = 0;
  };
  EXPECT_TRUE(round_trip(Mask{std::bitset<70>().set(69), 3}).bits[69]);
}

TEST(StdTypes, Paths) {
  expect_same(std::filesystem::path());
  expect_same(std::filesystem::path("/a/b c/../\xff.txt"));
  expect_same(std::vector<std::filesystem::path>{"a", "b"});
  struct Run {
    std::filesystem::path folder;
    std::string name;
  };
  EXPECT_EQ(round_trip(Run{"runs/1", "x"}).folder, "runs/1");
}

TEST(StdTypes, Dates) {
  using namespace std::chrono;
  expect_same(2024y / February / 29d);
  expect_same(year_month{2024y, March});
  expect_same(month_day{May, 1d});
  expect_same(weekday{Friday});
  expect_same(Sunday[2]);
  expect_same(year_month_weekday{2024y, May, Sunday[2]});
  expect_same(std::vector<year_month_day>(2000, 2024y / 12 / 31));
  EXPECT_EQ(round_trip(hh_mm_ss(-3723s)).to_duration(), -3723s);
  EXPECT_EQ(round_trip(hh_mm_ss(1500ms)).to_duration(), 1500ms);
}

TEST(StdTypes, ErrorCodes) {
  expect_same(std::error_code());
  expect_same(std::make_error_code(std::errc::no_space_on_device));
  expect_same(std::error_code(5, std::system_category()));
  expect_same(std::make_error_condition(std::errc::timed_out));
  expect_same(std::make_error_code(std::future_errc::no_state));
  struct : std::error_category {
    const char* name() const noexcept override { return "mine"; }
    std::string message(int) const override { return ""; }
  } mine;
  serial::Writer writer;
  try {
    writer(std::error_code(1, mine));
    FAIL() << "nothing thrown";
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("category \"mine\""), std::string::npos) << error.message();
  }
}

TEST(StdTypes, ErrorsAndResults) {
  const Error plain = round_trip(Error(ErrorCode::not_found, "no such fold").with_context("fold 7"));
  EXPECT_EQ(plain.code(), ErrorCode::not_found);
  EXPECT_EQ(plain.message(), "fold 7: no such fold");
  EXPECT_EQ(plain.task(), nullptr);
  const Error failed(TaskFailure{.type = "int",
                                 .what = "42",
                                 .function = "f",
                                 .node = "n",
                                 .process = 7,
                                 .attempt = 2,
                                 .trace = "passed through g"});
  const Error again = round_trip(failed.with_context("here"));
  EXPECT_EQ(again.message(), "here: " + failed.message());
  ASSERT_NE(again.task(), nullptr);
  EXPECT_EQ(again.task()->trace, "passed through g");
  EXPECT_EQ(round_trip(Result<std::string>("text")).value(), "text");
  EXPECT_EQ(round_trip(Result<std::string>(fail(ErrorCode::deadline, "late"))).error().code(), ErrorCode::deadline);
  EXPECT_TRUE(round_trip(Result<void>()).has_value());
  EXPECT_EQ(round_trip(std::vector<Result<int>>{1, fail(ErrorCode::internal, "x")})[1].error().message(), "x");
  static_assert(!Serializable<Result<int*>>);
}

TEST(StdTypes, Times) {
  expect_same(5ms);
  expect_same(std::chrono::duration<double>(0.25));
  expect_same(std::chrono::system_clock::now());
}

TEST(StdTypes, UniquePointers) {
  EXPECT_EQ(round_trip(std::unique_ptr<int>()), nullptr);
  EXPECT_EQ(*round_trip(std::make_unique<std::string>("x")), "x");
  const auto nested = round_trip(std::make_unique<std::vector<std::unique_ptr<int>>>(3));
  EXPECT_EQ(nested->size(), 3u);
}

TEST(StdTypes, SharedPointersKeepTheirIdentity) {
  const auto shared = std::make_shared<int>(5);
  const auto result = round_trip(std::vector{shared, shared, std::make_shared<int>(5), std::shared_ptr<int>()});
  EXPECT_EQ(*result[0], 5);
  EXPECT_EQ(result[0], result[1]);
  EXPECT_NE(result[0], result[2]);
  EXPECT_EQ(result[3], nullptr);
  EXPECT_EQ(result[0].use_count(), 2);
}

struct Graph {
  int value = 0;
  std::shared_ptr<Graph> next;
};

TEST(StdTypes, SharedPointersMayFormCycles) {
  const auto first = std::make_shared<Graph>(Graph{1, std::make_shared<Graph>(Graph{2, nullptr})});
  first->next->next = first;
  const auto result = round_trip(first);
  EXPECT_EQ(result->next->value, 2);
  EXPECT_EQ(result->next->next, result);
  result->next->next.reset();
  first->next->next.reset();
}

TEST(StdTypes, SharedPointersToAnObjectAndItsFirstMemberAreTwo) {
  const auto whole = std::make_shared<Graph>(Graph{7, nullptr});
  const std::shared_ptr<int> part(whole, &whole->value);
  const auto [a, b] = round_trip(std::pair{whole, part});
  EXPECT_EQ(a->value, 7);
  EXPECT_EQ(*b, 7);
}

TEST(StdTypes, SmallSizesTakeOneByte) {
  EXPECT_EQ(encode(std::string(14, 'x')).bytes().size(), 15u);
  EXPECT_EQ(encode(std::vector<int>(127)).bytes().size(), 1u + 127 * 4);
  EXPECT_EQ(encode(std::vector<int>(128)).bytes().size(), 2u + 128 * 4);
}

struct Mixed {
  std::vector<std::string> texts;
  std::map<int, int> map;
  std::optional<int> number;
  std::unique_ptr<int> pointer;
};

TEST(StdTypes, ReadingReplacesWhatWasThere) {
  const auto encoding = encode(Mixed{{"new"}, {{1, 1}}, {}, nullptr});
  Mixed value{{"old", "older"}, {{2, 2}}, 5, std::make_unique<int>(1)};
  serial::Reader reader(encoding.bytes());
  reader(value);
  EXPECT_EQ(value.texts, std::vector<std::string>{"new"});
  EXPECT_EQ(value.map, (std::map<int, int>{{1, 1}}));
  EXPECT_FALSE(value.number);
  EXPECT_FALSE(value.pointer);
}

}  // namespace
}  // namespace manta::testing
