// Function objects, handles of bases, and when_any, in real processes.
#include <unistd.h>

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <manta/manta.h>

#include "tests/e2e/outside.h"

namespace {

using namespace std::chrono_literals;
using manta::e2e::outside;

struct Weights {
  std::vector<double> values;
  manta::Ref<double> bias;
  double operator()(int i) const { return values.at(i) + manta::get(bias); }
};

TEST(FunctionObjects, RunInAWorkerWithTheirCaptures) {
  const int x = 40;
  const pid_t driver = ::getpid();
  EXPECT_EQ(manta::get(manta::remote<>([x, driver](int y) { return ::getpid() == driver ? -1 : x + y; })(2)), 42);
  EXPECT_EQ(manta::get(manta::remote<>([](int y) { return 2 * y; })(21)), 42);
  std::vector<manta::Ref<int>> refs;
  for (int i = 0; i < 100; ++i)
    refs.push_back(manta::remote<>([i](int y) { return i * y; }).options({.num_cpus = 0.5})(i));
  const std::vector<int> squares = manta::get(refs);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(squares[i], i * i);
}

TEST(FunctionObjects, AStructBringsVectorsAndRefs) {
  const auto weigh = manta::remote<>(Weights{std::vector<double>(100'000, 1.5), manta::put(0.25)});
  EXPECT_EQ(manta::get(weigh(99'999)), 1.75);
}

TEST(FunctionObjects, ARetryHasTheCapturesAgain) {
  auto& tries = outside()[0];
  tries = 0;
  const auto count = manta::remote<>([n = 7]() mutable {
    n += 1;
    if (outside()[0].fetch_add(1) == 0) std::abort();
    return n;
  });
  EXPECT_EQ(manta::get(count.options({.max_retries = 2})()), 8);
  EXPECT_EQ(tries, 2);
}

TEST(FunctionObjects, SubmitsFromTasks) {
  const int x = 3;
  const auto outer =
      manta::remote<>([x](int y) { return manta::get(manta::remote<>([x, y](int z) { return x * y + z; })(1)); });
  EXPECT_EQ(manta::get(outer(4)), 13);
}

// --- handles of bases

struct Named {
  virtual ~Named() = default;
  std::string name() const { return name_; }
  std::string name_ = "named";
};
struct Shape {
  virtual ~Shape() = default;
  virtual double area() const = 0;
  int uses() { return ++uses_; }
  manta::Task<double> slow_area() {
    co_await manta::sleep_for(1ms);
    co_return area();
  }
  int uses_ = 0;
};
struct Square : Named, Shape {  // Shape is not at its beginning
  explicit Square(double side) : side_(side) {}
  double area() const override { return side_ * side_; }
  double side_;
};
struct Circle : virtual Shape {
  double area() const override { return 3; }
};

double total_area(const std::vector<manta::Actor<Shape>>& shapes) {
  double total = 0;
  for (const auto& shape : shapes) total += manta::get(shape.call<&Shape::area>());
  return total;
}
int use(manta::Actor<Shape> shape) { return manta::get(shape.call<&Shape::uses>()); }

TEST(BaseHandles, CallTheActorsOwnMethods) {
  const auto square = manta::actor<Square>(2.0);
  const manta::Actor<Shape> shape = square;
  EXPECT_EQ(manta::get(shape.call<&Shape::area>()), 4);
  EXPECT_EQ(manta::get(shape.call<&Shape::uses>()), 1);
  EXPECT_EQ(manta::get(square.call<&Shape::uses>()), 2);
  EXPECT_EQ(manta::get(manta::Actor<Named>(square).call<&Named::name>()), "named");
  EXPECT_EQ(manta::get(shape.call<[](Shape& s) { return s.uses_; }>()), 2);
  EXPECT_TRUE(shape == square);
}

TEST(BaseHandles, TravelInContainersAndAsArguments) {
  const auto square = manta::actor<Square>(2.0);
  const auto circle = manta::actor<Circle>();
  EXPECT_EQ(manta::get(manta::remote<total_area>(std::vector<manta::Actor<Shape>>{square, circle, square})), 11);
  EXPECT_EQ(manta::get(manta::remote<use>(circle)), 1);
  EXPECT_EQ(manta::get(manta::remote<use>(manta::put(circle))), 2);
}

TEST(BaseHandles, KeepTheActorAliveAndAwaitItsCoroutines) {
  manta::Actor<Shape> shape = manta::actor<Square>(3.0);
  std::vector<manta::Ref<double>> areas;
  for (int i = 0; i < 20; ++i) areas.push_back(shape.call<&Shape::slow_area>());
  for (const double area : manta::get(areas)) EXPECT_EQ(area, 9);
}

// --- when_any

// Runs until the driver opens its gate.
int pass(int gate) {
  if (!manta::e2e::await_cell(gate, 1)) return -1;
  return gate;
}
struct Chooser {
  manta::Task<int> first(std::vector<manta::Ref<int>> refs) {
    auto any = manta::when_any(refs);
    const std::size_t index = co_await any;
    co_return manta::get(refs[index]);
  }
  manta::Task<int> sum(manta::Ref<int> a, manta::Ref<int> b) {
    auto all = manta::when_all(a, b);
    const auto [x, y] = co_await all;
    co_return x + y;
  }
};

TEST(WhenAny, TellsTheFirstOfSeveral) {
  for (int gate = 1; gate <= 2; ++gate) outside()[gate] = 0;
  const auto chooser = manta::actor<Chooser>();
  const std::vector refs{manta::remote<pass>.options({.num_cpus = 0})(1),
                         manta::remote<pass>.options({.num_cpus = 0})(2)};
  const auto chosen = chooser.call<&Chooser::first>(refs);
  const auto sum = chooser.call<&Chooser::sum>(refs[0], refs[1]);
  outside()[2] = 1;
  EXPECT_EQ(manta::get(manta::when_any(refs)), 1u);
  EXPECT_EQ(manta::get(chosen), 2);
  EXPECT_FALSE(sum.ready());
  outside()[1] = 1;
  EXPECT_EQ(manta::get(sum), 3);
  EXPECT_EQ(manta::get(std::map<std::string, manta::Ref<int>>{{"a", refs[0]}, {"b", refs[1]}}),
            (std::map<std::string, int>{{"a", 1}, {"b", 2}}));
}

}  // namespace
