// What user code threw, in words: anything may be thrown.
#include <manta/detail/thrown.h>

#include <gtest/gtest.h>

#include <cerrno>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace manta::detail {
namespace {

Thrown thrown_by(const std::function<void()>& function) {
  try {
    function();
  } catch (...) {
    return describe_thrown();
  }
  return {};
}

struct SaysNothing : std::exception {
  const char* what() const noexcept override { return nullptr; }
};
struct Odd {};

TEST(Thrown, HasTypeAndText) {
  const struct {
    std::function<void()> function;
    const char* type;
    const char* text;
  } cases[] = {
      {[] { throw std::out_of_range("index 7"); }, "std::out_of_range", "index 7"},
      {[] { throw "text"; }, "const char*", "text"},
      {[] { throw static_cast<const char*>(nullptr); }, "const char*", ""},
      {[] { throw std::string("a string"); }, "std::string", "a string"},
      {[] { throw std::string_view("a view"); }, "std::string_view", "a view"},
      {[] { throw 42; }, "int", "42"},
      {[] { throw -7L; }, "long", "-7"},
      {[] { throw 18'000'000'000'000'000'000ULL; }, "unsigned long long", "18000000000000000000"},
      {[] { throw 'c'; }, "char", "c"},
      {[] { throw true; }, "bool", "true"},
      {[] { throw 0.5; }, "double", "0.500000"},
      {[] { throw std::make_error_code(std::errc::permission_denied); }, "std::error_code",
       "generic:13: Permission denied"},
      {[] { throw std::errc::permission_denied; }, "std::errc", "generic:13: Permission denied"},
      {[] { throw SaysNothing(); }, "manta::detail::(anonymous namespace)::SaysNothing", ""},
      {[] { throw Odd(); }, "manta::detail::(anonymous namespace)::Odd", ""},
  };
  for (const auto& each : cases) {
    const Thrown thrown = thrown_by(each.function);
    EXPECT_EQ(thrown.type, each.type);
    EXPECT_EQ(thrown.text, each.text) << each.type;
  }
}

template <class Inner, class Outer>
void throw_nested(Inner inner, Outer outer) {
  try {
    throw inner;
  } catch (...) {
    std::throw_with_nested(outer);
  }
}

TEST(Thrown, NamesTheWholeChain) {
  const Thrown two = thrown_by([] { throw_nested(std::out_of_range("inner"), std::runtime_error("outer")); });
  EXPECT_EQ(two.type, "std::runtime_error");
  EXPECT_EQ(two.text, "outer; caused by std::out_of_range: inner");
  EXPECT_EQ(thrown_by([] { throw_nested(42, std::string("outer")); }).text, "outer; caused by int: 42");
  const Thrown three = thrown_by([] {
    try {
      throw_nested("first", std::logic_error("second"));
    } catch (...) {
      std::throw_with_nested(Odd());
    }
  });
  EXPECT_EQ(three.text, "; caused by std::logic_error: second; caused by const char*: first");
}

TEST(Thrown, IsNeverAnEmptyText) {
  try {
    throw Odd();
  } catch (...) {
    EXPECT_EQ(thrown_text(), "an exception of type manta::detail::(anonymous namespace)::Odd");
  }
}

}  // namespace
}  // namespace manta::detail
