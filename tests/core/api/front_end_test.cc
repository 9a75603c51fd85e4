// remote, options, arguments by value and by reference, results, errors; against the fake runtime.
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include <manta/manta.h>

#include "tests/core/api/fake_runtime.h"

namespace manta::testing {

int square(int x) { return x * x; }
std::string repeat(const std::string& text, int times) {
  std::string result;
  while (times-- > 0) result += text;
  return result;
}
namespace nested {
double half(double x) { return x / 2; }
}  // namespace nested

namespace {

// Every test must leave no entry behind.
class FrontEnd : public ::testing::Test {
 protected:
  ~FrontEnd() override { EXPECT_EQ(live_entries(), 0u); }
};

TEST_F(FrontEnd, RefsAreArguments) {
  const Ref<int> four = remote<square>(2);
  const Ref<int> sixteen = remote<square>(four);
  EXPECT_EQ(get(sixteen), 16);
  EXPECT_EQ(last_task().ref_mask, 1u);
  EXPECT_EQ(last_task().references, 1u);
}

TEST_F(FrontEnd, ValuesAndRefsMix) {
  EXPECT_EQ(get(remote<repeat>("ab", remote<square>(2))), "abababab");
  EXPECT_EQ(last_task().ref_mask, 2u);
  EXPECT_EQ(get(remote<repeat>(put(std::string("x")), 3)), "xxx");
  EXPECT_EQ(last_task().ref_mask, 1u);
  EXPECT_EQ(get(remote<repeat>(put(std::string("x")), remote<square>(1))), "x");
  EXPECT_EQ(last_task().ref_mask, 3u);
}

TEST_F(FrontEnd, ValuesConvertToTheParameter) {
  EXPECT_EQ(get(remote<nested::half>(3)), 1.5);
  EXPECT_EQ(get(remote<repeat>(std::string("ab"), 2u)), "abab");
  EXPECT_EQ(get(remote<square>('\2')), 4);
  const long two = 2;
  EXPECT_EQ(get(remote<square>(two)), 4);
}

TEST_F(FrontEnd, OptionsReachTheRuntime) {
  auto result = remote<square>.options({.num_cpus = 2, .max_retries = 7, .name = "sq"})(3);
  EXPECT_EQ(get(result), 9);
  EXPECT_EQ(last_task().name, "sq");
  EXPECT_EQ(last_task().num_cpus, 2);
  EXPECT_EQ(last_task().max_retries, 7);
  static_assert(std::is_trivially_destructible_v<decltype(remote<square>.options({}))>);
}

int runs = 0;
void count_run() { ++runs; }

TEST_F(FrontEnd, VoidAndDroppedResults) {
  static_assert(std::is_same_v<decltype(remote<count_run>()), Ref<void>>);
  get(remote<count_run>());
  remote<count_run>();
  remote<square>(3);
  EXPECT_EQ(runs, 2);
}

int overloaded(int x) { return x; }
int overloaded(const std::string& text) { return static_cast<int>(text.size()); }
template <class T>
T twice(T value) {
  return value + value;
}
int never_throws(int x) noexcept { return x; }
struct Functor {
  int operator()(int x) const { return x + 100; }
};
struct Class {
  static int method(int x) { return x + 7; }
};

TEST_F(FrontEnd, KindsOfFunctions) {
  EXPECT_EQ(get(remote<static_cast<int (*)(int)>(&overloaded)>(5)), 5);
  EXPECT_EQ(get(remote<static_cast<int (*)(const std::string&)>(&overloaded)>("four")), 4);
  EXPECT_EQ(get(remote<twice<int>>(4)), 8);
  EXPECT_EQ(get(remote<twice<std::string>>("a")), "aa");
  EXPECT_EQ(get(remote<never_throws>(3)), 3);
  EXPECT_EQ(get(remote<&square>(3)), 9);
  EXPECT_EQ(get(remote<Class::method>(3)), 10);
  EXPECT_EQ(get(remote<Functor{}>(3)), 103);
  EXPECT_EQ(get(remote<[](int a, const std::string& b) { return b + std::to_string(a); }>(1, "x")), "x1");
  const auto one = [] { return 1; };
  const auto two = [] { return 2; };  // the same type of call, and no less another function
  EXPECT_EQ(get(remote<one>()), 1);
  EXPECT_EQ(get(remote<two>()), 2);
}

struct MoveOnly {
  std::unique_ptr<int> value;
};
MoveOnly pass_on(MoveOnly object) { return object; }
MoveOnly take_rvalue(MoveOnly&& object) { return std::move(object); }
const std::string& first_of(const std::vector<std::string>& texts) { return texts.at(0); }

TEST_F(FrontEnd, ParametersAreDecodedObjectsOfTheirOwn) {
  EXPECT_EQ(*get(remote<pass_on>(MoveOnly{std::make_unique<int>(4)})).value, 4);
  EXPECT_EQ(*get(remote<take_rvalue>(MoveOnly{std::make_unique<int>(5)})).value, 5);
  static_assert(std::is_same_v<decltype(remote<first_of>(std::vector<std::string>{"x"})), Ref<std::string>>);
  EXPECT_EQ(get(remote<first_of>(std::vector<std::string>{std::string(10'000, 'x'), "y"})), std::string(10'000, 'x'));
}

std::vector<double> ramp(std::size_t n) {
  std::vector<double> values(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = static_cast<double>(i);
  return values;
}
double sum(const std::vector<double>& values) {
  double total = 0;
  for (const double value : values) total += value;
  return total;
}
std::array<double, 2000> large_array() { return {1, 2, 3}; }

TEST_F(FrontEnd, LargeValuesOutliveTheFunctionThatMadeThem) {
  EXPECT_EQ(get(remote<ramp>(100'000)), ramp(100'000));
  EXPECT_EQ(get(remote<sum>(remote<ramp>(1000))), 499'500);
  EXPECT_EQ(get(remote<sum>(ramp(1000))), 499'500);
  EXPECT_TRUE(last_task().framed);
  EXPECT_EQ(get(remote<large_array>())[2], 3);
}

int look(const Ref<int>& ref) { return get(ref) + 1; }
int look_inside(const std::vector<Ref<int>>& refs) { return get(refs.at(1)); }
Ref<int> make_ref(int x) { return remote<square>(x); }
Ref<int> same_ref(Ref<int> ref) { return ref; }

TEST_F(FrontEnd, RefsAsValues) {
  const Ref<int> nine = remote<square>(3);
  EXPECT_EQ(get(remote<look>(nine)), 10);  // the parameter is a Ref: it gets the Ref
  EXPECT_EQ(last_task().ref_mask, 0u);
  EXPECT_EQ(get(remote<look_inside>(std::vector{nine, nine})), 9);
  EXPECT_EQ(last_task().refs_in_values, 2u);
  EXPECT_EQ(get(get(remote<make_ref>(4))), 16);
  EXPECT_EQ(get(remote<look>(remote<make_ref>(4))), 17);  // a Ref to a Ref: resolved once
  EXPECT_EQ(get(remote<same_ref>(nine)), nine);
}

TEST_F(FrontEnd, EmptyRefs) {
  Ref<int> empty;
  EXPECT_FALSE(empty);
  EXPECT_THROW((void)get(empty), Error);
  EXPECT_THROW((void)empty.ready(), Error);
  try {
    remote<repeat>("x", empty);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_NE(error.message().find("argument 2"), std::string::npos);
  }
  EXPECT_FALSE(get(remote<same_ref>(empty)));  // as a value it travels
  std::vector<Ref<int>> refs{remote<square>(1), empty};
  EXPECT_THROW((void)get(refs), Error);
  EXPECT_THROW(wait(refs, {.count = 2}), Error);
  EXPECT_THROW((void)as_completed(refs), Error);
}

TEST_F(FrontEnd, RefsCount) {
  Ref<int> a = remote<square>(2);
  EXPECT_EQ(a.entry().refs, 1u);
  Ref<int> b = a;
  EXPECT_EQ(a.entry().refs, 2u);
  EXPECT_EQ(a, b);
  b = std::move(a);
  EXPECT_EQ(b.entry().refs, 1u);
  EXPECT_FALSE(a);
  b = *&b;  // self-assignment
  EXPECT_EQ(b.entry().refs, 1u);
  a = remote<square>(3);
  EXPECT_NE(a, b);
  static_assert(sizeof(a) == sizeof(void*));
  const std::unordered_map<Ref<int>, int> by_ref{{a, 1}, {b, 2}};
  EXPECT_EQ(by_ref.at(b), 2);
}

int divide(int a, int b) {
  if (b == 0) throw std::domain_error("division by zero");
  return a / b;
}

TEST_F(FrontEnd, ExceptionsArriveAtGet) {
  const Ref<int> failed = remote<divide>(1, 0);
  try {
    (void)get(failed);
    FAIL();
  } catch (const TaskError& error) {
    EXPECT_EQ(error.task()->what, "division by zero");
    EXPECT_NE(error.task()->function.find("divide"), std::string::npos);
  }
  const Result<int> result = try_get(failed);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::task_failed);
  EXPECT_EQ(try_get(remote<divide>(6, 3)).value(), 2);
  EXPECT_THROW((void)get(remote<square>(failed)), TaskError);  // through a dependency
  EXPECT_THROW((void)get(std::vector{remote<square>(1), failed}), TaskError);
  EXPECT_TRUE(try_get(remote<count_run>()));
}

TEST_F(FrontEnd, ManyParameters) {
  const auto all = remote<[](int a, double b, const std::string& c, std::vector<int> d, std::pair<int, int> e, char f) {
    return std::to_string(a) + std::to_string(static_cast<int>(b)) + c + std::to_string(d.at(0)) +
           std::to_string(e.second) + f;
  }>(1, 2.0, "3", put(std::vector<int>{4}), std::pair{0, 5}, put('6'));
  EXPECT_EQ(get(all), "123456");
  EXPECT_EQ(last_task().ref_mask, 0b101000u);
}

TEST_F(FrontEnd, PutStoresDecayedCopies) {
  int x = 5;
  const Ref<int> ref = put(x);
  x = 6;
  EXPECT_EQ(get(ref), 5);
  const std::vector<float> large(10'000, 1.5f);
  const Ref<std::vector<float>> large_ref = put(large);
  EXPECT_EQ(get(large_ref), large);
  const Ref<Ref<int>> of_ref = put(ref);
  EXPECT_EQ(get(get(of_ref)), 5);
}

TEST_F(FrontEnd, ArgumentsThatDoNotDecodeAreRefused) {
  // What a different build could send: the wrong number of bytes.
  auto* const function = detail::Registration<square, ThisFile>::entry.invoke;
  const std::vector<std::byte> bytes(5);
  for (const std::size_t size : {0u, 3u, 5u}) {
    serial::Reader values{std::span(bytes).first(size)};
    detail::Arguments arguments{&values, 0, nullptr};
    serial::Writer result;
    EXPECT_THROW(function(arguments, result), Error) << size;
  }
}

TEST_F(FrontEnd, NamesAreForPeople) {
  EXPECT_EQ((detail::Registration<square, ThisFile>::name()), "manta::testing::square");
  EXPECT_EQ((detail::Registration<&nested::half, ThisFile>::name()), "manta::testing::nested::half");
  const std::string_view lambda = detail::Registration<[](int x) { return x; }, ThisFile>::name();
  EXPECT_NE(lambda.find("lambda(int)"), std::string_view::npos) << lambda;
  EXPECT_EQ(lambda.find("ThisFile"), std::string_view::npos) << lambda;
}

}  // namespace
}  // namespace manta::testing

namespace manta {

// A parameter that the worker supplies: how a stop token will come.
struct Ticket {
  std::uint32_t mask = 0;
};
template <>
struct detail::Injected<Ticket> : std::true_type {
  static Ticket make(Arguments& arguments) { return {arguments.ref_mask}; }
};

namespace testing {
namespace {

std::string with_ticket(int a, Ticket ticket, const std::string& b) {
  return std::to_string(a) + b + std::to_string(ticket.mask);
}

TEST_F(FrontEnd, InjectedParametersAreNotGivenByTheCaller) {
  EXPECT_EQ(get(remote<with_ticket>(1, put(std::string("x")))), "1x2");
}

}  // namespace
}  // namespace testing
}  // namespace manta
