// Labels: the user's names, as the source has them.
#include <manta/detail/label.h>

#include <gtest/gtest.h>

#include <string>
#include <vector>

int square(int x) { return x; }
int over(int x) { return x; }
double over(double x) { return x; }

namespace outer {
int f() { return 0; }
template <class T>
T fit(T value) {
  return value;
}
struct C {
  int method(int x) { return x; }
  int constant(int x) const { return x; }
  static int fixed() { return 1; }
  int operator()(int x) const { return x; }
  bool operator<(int) const { return true; }
  int operator->*(int x) const { return x; }
};
template <class T>
struct Box {
  struct type {
    int run(T) { return 1; }
  };
};
C operator-(C a, C) { return a; }
}  // namespace outer

namespace label_tests {
namespace {

using namespace manta::detail;

int hidden(int x) { return x; }
struct Hidden {
  int method() { return 1; }
};
struct FunctionObject {
  double factor = 2;
  int operator()(int x) const { return x; }
};
struct ThisTest {};

template <auto F>
std::string of() {
  return std::string(function_label<F, ThisTest>());
}
template <class T>
std::string of() {
  return std::string(class_label<T>());
}

TEST(Label, OfFunctionsAndMethods) {
  EXPECT_EQ(of<square>(), "square");
  EXPECT_EQ(of<static_cast<double (*)(double)>(&over)>(), "over");
  EXPECT_EQ(of<&outer::f>(), "outer::f");
  EXPECT_EQ(of<&outer::C::method>(), "outer::C::method");
  EXPECT_EQ(of<&outer::C::constant>(), "outer::C::constant");
  EXPECT_EQ(of<&outer::C::fixed>(), "outer::C::fixed");
  EXPECT_EQ(of<&outer::C::operator()>(), "outer::C::operator()");
  EXPECT_EQ(of < &outer::C::operator<>(), "outer::C::operator<");
  EXPECT_EQ(of < &outer::C::operator->*>(), "outer::C::operator->*");
  EXPECT_EQ(of<(&outer::operator-)>(), "outer::operator-");
  EXPECT_EQ(of<&outer::Box<std::string>::type::run>(), "outer::Box<std::string>::type::run");
  EXPECT_EQ((of<FunctionObject{3}>()), "label_tests::FunctionObject");
#ifndef __clang__  // which says "fit"
  EXPECT_EQ(of<&outer::fit<double>>(), "outer::fit<double>");
  EXPECT_EQ(of<&outer::fit<std::vector<std::string>>>(), "outer::fit<std::vector<std::string>>");
#endif
}

TEST(Label, LeavesOutAnonymousNamespacesAndEnclosingFunctions) {
  struct Local {
    int method() { return 1; }
  };
  EXPECT_EQ(of<&hidden>(), "label_tests::hidden");
  EXPECT_EQ(of<&Hidden::method>(), "label_tests::Hidden::method");
  EXPECT_EQ(of<Hidden>(), "label_tests::Hidden");
  EXPECT_EQ(of<Local>(), "Local");
  EXPECT_EQ(of<&Local::method>(), "Local::method");
}

TEST(Label, OfLambdasSaysWhereTheyAre) {
  const std::string label = of<[](int x) { return x; }>();
  EXPECT_TRUE(label == "lambda(int) in label_tests::Label_OfLambdasSaysWhereTheyAre_Test::TestBody" ||
              label.starts_with("lambda at label_test.cc:"))
      << label;
}

struct Stands {
  static std::string_view manta_label() { return function_label<&outer::f, ThisTest>(); }
  int run() { return 1; }
};

TEST(Label, OfAClassThatStandsForTheUsersIsTheUsers) {
  EXPECT_EQ(of<Stands>(), "outer::f");
  EXPECT_EQ(std::string(method_label<Stands, &Stands::run, ThisTest>()), "outer::f");
  EXPECT_EQ((of<Stands{}>()), "outer::f");
}

TEST(Label, OfWhatBothCompilersSay) {
  const struct {
    const char* pretty;
    const char* label;
  } cases[] = {
      {"constexpr std::string_view text() [with auto F = square; File = {anonymous}::ThisFile; std::string_view = "
       "std::basic_string_view<char>]",
       "square"},
      {"std::string_view text() [F = &square, File = manta::(anonymous namespace)::ThisFile]", "square"},
      {"std::string_view text() [F = &(anonymous namespace)::(anonymous namespace)::deep, File = X]", "deep"},
      {"text() [with auto F = {anonymous}::{anonymous}::deep; File = X]", "deep"},
      {"text() [with auto F = ns::two<3, std::__cxx11::basic_string<char> >; File = X]", "ns::two<3, std::string>"},
      {"text() [with auto F = &ns::C::__conv_op ; File = X]", "ns::C::conversion operator"},
      {"text() [F = &ns::C::operator bool, File = X]", "ns::C::operator bool"},
      {"text() [with auto F = &ns::C::operator()<int>; File = X]", "ns::C::operator()<int>"},
      {"text() [with auto F = &ns::C::operator[]; File = X]", "ns::C::operator[]"},
      {"text() [F = (lambda at /home/me/src/fit.cc:19:12), File = X]", "lambda at fit.cc:19"},
      {"text() [with auto F = <lambda closure object>main()::<lambda(int)>(); File = X]", "lambda(int) in main"},
      {"text() [with auto F = <lambda closure object>main()::<lambda()>::<lambda(int, ns::T)>{}; File = X]",
       "lambda(int, ns::T) in main"},
      {"text() [with auto F = <lambda closure object><lambda(std::vector<int>)>(); File = X]",
       "lambda(std::vector<int>)"},
      {"text() [with auto F = <lambda closure object>ns::f(T) [with T = int]::<lambda(int)>(); File = X]",
       "lambda(int) in ns::f"},
      {"text() [with auto F = &main()::<lambda()>::Local::m; File = X]", "Local::m"},
      {"text() [F = &main()::(anonymous class)::operator()()::Local::m, File = X]", "Local::m"},
      {"text() [with auto F = Par{3, 2.5e+0}; File = X]", "Par"},
      {"text() [with auto F = TObj<int>(); File = X]", "TObj<int>"},
      {"text() [with F = ns::Box<main()::Local*>; File = void]", "ns::Box<Local*>"},
      {"text() [with F = ns::Box<const {anonymous}::T&>; File = void]", "ns::Box<const T&>"},
  };
  for (const auto& each : cases) EXPECT_EQ(label_in(each.pretty), each.label) << each.pretty;
}

}  // namespace
}  // namespace label_tests
