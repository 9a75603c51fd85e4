// Plain aggregates travel without a line of the user's.
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "tests/core/serial/round_trip.h"

namespace manta::testing {
namespace {

struct Empty {
  bool operator==(const Empty&) const = default;
};
struct Point {
  double x = 0;
  double y = 0;
  bool operator==(const Point&) const = default;
};
struct Padded {
  char c = 0;
  double d = 0;
  bool operator==(const Padded&) const = default;
};
struct Config {
  std::string name;
  std::vector<Point> points;
  std::optional<Padded> padded;
  Empty empty;
  std::array<std::string, 2> two;
  bool operator==(const Config&) const = default;
};
struct Arrays {
  char name[16] = {};
  int matrix[2][3] = {};
  std::string texts[2];
  Point points[2];
  int last = 0;
  bool operator==(const Arrays&) const = default;
};
struct Tree {
  int value = 0;
  std::vector<Tree> children;
  std::unique_ptr<Tree> other;
  std::variant<int, std::unique_ptr<Tree>> either;
};
struct MoveOnly {
  std::unique_ptr<int> pointer;
  std::string text;
};
struct Many {
  int a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z;
  std::string aa, bb, cc, dd, ee, ff, gg;
  bool operator==(const Many&) const = default;
};
struct HasBool {
  bool flag = false;
  bool operator==(const HasBool&) const = default;
};
struct WithBase : Point {
  int z;
};
struct WithPointer {
  int* p;
};
struct WithReference {
  int& r;
};
struct WithConst {
  const int c = 1;
};

TEST(Aggregates, RoundTrip) {
  const Config config{"n", {{1, 2}, {3, 4}}, Padded{'c', 1.5}, {}, {"a", "b"}};
  EXPECT_EQ(round_trip(config), config);
  EXPECT_EQ(round_trip(Empty{}), Empty{});
  EXPECT_EQ(round_trip(HasBool{true}), HasBool{true});
  Many many{};
  many.z = 26;
  many.gg = "last";
  EXPECT_EQ(round_trip(many), many);
}

TEST(Aggregates, CArraysAreOneFieldEach) {
  static_assert(serial::detail::field_count<Arrays> == 5);
  const Arrays arrays{"name", {{1, 2, 3}, {4, 5, 6}}, {"x", "y"}, {{1, 2}, {3, 4}}, 9};
  EXPECT_EQ(round_trip(arrays), arrays);
}

TEST(Aggregates, MayContainThemselves) {
  Tree tree{1, {}, std::make_unique<Tree>(), {}};
  tree.children.push_back({2, {}, nullptr, {}});
  tree.other->value = 3;
  tree.either = std::make_unique<Tree>(Tree{4, {}, nullptr, {}});
  const Tree result = round_trip(tree);
  EXPECT_EQ(result.children.at(0).value, 2);
  EXPECT_EQ(result.other->value, 3);
  EXPECT_EQ(std::get<1>(result.either)->value, 4);
}

TEST(Aggregates, MoveOnlyFields) {
  const MoveOnly result = round_trip(MoveOnly{std::make_unique<int>(3), "t"});
  EXPECT_EQ(*result.pointer, 3);
}

TEST(Aggregates, WithoutPaddingAreOneBlock) {
  static_assert(serial::detail::Bulk<Point>);
  static_assert(!serial::detail::Bulk<Padded>);
  static_assert(!serial::detail::Bulk<HasBool>);  // a byte of 2 is no bool
  EXPECT_EQ(encode(Padded{}).bytes().size(), 9u);
  const std::vector<Point> many(1000, {1, 2});
  const Encoding encoding = encode(many);
  EXPECT_TRUE(encoding.framed());
  EXPECT_EQ(decode<std::vector<Point>>(encoding), many);
}

TEST(Aggregates, EmptyOnesInContainersAreCounted) {
  EXPECT_EQ(round_trip(std::vector<Empty>(100)).size(), 100u);
  EXPECT_EQ(round_trip(std::vector<std::vector<Empty>>{{}, std::vector<Empty>(3)})[1].size(), 3u);
}

TEST(Aggregates, WhatCannotTravelIsKnown) {
  static_assert(!Serializable<WithBase>);
  static_assert(!Serializable<WithPointer>);
  static_assert(!Serializable<WithReference>);
  static_assert(!Serializable<WithConst>);
  static_assert(!Serializable<int*>);
  static_assert(!Serializable<int&>);
  static_assert(!Serializable<const int>);
  static_assert(!Serializable<void (*)()>);
  static_assert(!Serializable<std::string_view>);
  static_assert(!Serializable<std::span<int>>);
  static_assert(!Serializable<std::vector<int*>>);
  static_assert(!Serializable<std::vector<std::string_view>>);
  static_assert(!Serializable<std::unique_ptr<WithPointer>>);
}

}  // namespace
}  // namespace manta::testing
