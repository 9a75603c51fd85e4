// Code of the user's, in this process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "tests/data/tables.h"

namespace manta::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Point {
  double x;
  std::int64_t n;
  bool operator==(const Point&) const = default;
};
struct Sum {
  double sum;
  std::string text;
  bool operator==(const Sum&) const = default;
};
struct Name {
  std::string_view key;  // read in place
  std::int64_t id;
};
struct Id {
  std::int64_t id;
  bool operator==(const Id&) const = default;
};

Sum add(const Point& point) { return {point.x + static_cast<double>(point.n), std::to_string(point.n)}; }
std::vector<Id> repeat(const Id& row) { return std::vector<Id>(static_cast<std::size_t>(row.id % 3), row); }
double product(double x, std::int64_t n) { return x * static_cast<double>(n); }
Block double_x(const Block& block) {
  std::vector<double> values;
  for (const double x : block["x"].values<double>()) values.push_back(2 * x);
  return block.with("twice", column_of(std::move(values)));
}
std::vector<Sum> sums(const std::vector<Point>& points) {
  std::vector<Sum> all;
  for (const Point& point : points) all.push_back(add(point));
  return all;
}
Sum fails_at_17(const Point& point) {
  if (point.n == 17) throw std::out_of_range("17 is not allowed");
  return add(point);
}

/// Adds what it was made with; counts its own calls.
class Model {
 public:
  explicit Model(double offset, std::string name) : offset_(offset), name_(std::move(name)) {}
  Sum operator()(const Point& point) { return {point.x + offset_, name_}; }

 private:
  double offset_;
  std::string name_;
};

std::vector<Point> points(std::int64_t count) {
  std::vector<Point> rows;
  for (std::int64_t i = 0; i < count; ++i) rows.push_back({static_cast<double>(i) / 2, i});
  return rows;
}

TEST(Rows, FunctionsAndLambdasMix) {
  const int least = 3;
  const auto kept = from_rows(points(10)).filter([least](const Point& p) { return p.n >= least; }).map<add>();
  EXPECT_EQ(kept.limit(2).rows<Sum>(), (std::vector<Sum>{{4.5, "3"}, {6, "4"}}));
  EXPECT_EQ(kept.filter(col("sum") > 12).aggregate(count()).block()["count"].values<std::int64_t>()[0], 1);
  const auto squares = from_rows(points(4)).map([](const Point& p) { return p.n * p.n; });
  EXPECT_EQ(squares.rows(), (std::vector<std::int64_t>{0, 1, 4, 9}));
  EXPECT_EQ(range(5).rename({{"value", "id"}}).as<Id>().flat_map<repeat>().rows(),
            (std::vector<Id>{{1}, {2}, {2}, {4}}));
}

TEST(Rows, BatchesColumnsAndModels) {
  const auto table = from_rows(points(5));
  EXPECT_THAT(table.map_batches<double_x>().block()["twice"].values<double>(), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_EQ(table.map_batches<sums>().rows<Sum>().back(), (Sum{6, "4"}));
  EXPECT_THAT(table.with_column<product>("p", {"x", "n"}).block()["p"].values<double>(),
              ElementsAre(0, 0.5, 2, 4.5, 8));
  EXPECT_EQ(table.map<Model>(10.0, std::string("m")).rows().back(), (Sum{12, "m"}));
}

TEST(Rows, TextIsReadInPlaceAndOnlyNeededColumnsAre) {
  const auto rows = messy_rows(1, 100);
  const auto ids =
      from_rows(rows).as<Name>().filter([](const Name& row) { return row.key == "JFK"; }).map([](const Name& row) {
        return row.id;
      });
  std::vector<std::int64_t> wanted;
  for (const Messy& row : rows) {
    if (row.key == "JFK") wanted.push_back(row.id);
  }
  EXPECT_EQ(ids.rows(), wanted);
}

TEST(Rows, WhatDoesNotFitIsRefusedWhenThePlanIsMade) {
  struct Short {
    std::int32_t id;
  };
  struct Text {
    std::string id;
  };
  struct Missing {
    double xx;
  };
  const Dataset table = from_rows(messy_rows(1, 3));
  EXPECT_THAT(message_of([&] { (void)table.as<Short>(); }),
              HasSubstr("column \"id\" is BIGINT, but the field of that name is for INTEGER"));
  EXPECT_THAT(message_of([&] { (void)table.as<Text>(); }), HasSubstr("is for VARCHAR"));
  EXPECT_THAT(message_of([&] { (void)table.as<Missing>(); }),
              HasSubstr("there is no column \"xx\"; did you mean \"x\" (DOUBLE)?"));
  EXPECT_THAT(message_of([&] {
                (void)from_rows(points(3)).with_column<product>("p", {"n", "x"});
              }),
              HasSubstr("column \"n\" is BIGINT, but parameter 1 of the function takes DOUBLE"));
  EXPECT_THAT(message_of([&] { (void)from_rows(points(3)).with_column<product>("p", {"x"}); }),
              HasSubstr("takes 2 values, but 1 columns"));
}

TEST(Rows, AFailingRowIsNamed) {
  const std::string message = message_of(
      [] { (void)from_rows(points(100)).filter([](const Point& p) { return p.n > 10; }).map<fails_at_17>().rows(); });
  EXPECT_THAT(message, HasSubstr("step manta::data::fails_at_17: std::out_of_range: 17 is not allowed\nrow 17 of"));
  EXPECT_THAT(message, HasSubstr("row 17 of a block: {'x': 8.5, 'n': 17}"));
  struct NotNull {
    double x;
  };
  EXPECT_THAT(message_of([] {
                (void)from_rows(messy_rows(1, 100)).as<NotNull>().map([](const NotNull& row) { return row.x; }).rows();
              }),
              HasSubstr("column \"x\" is null here; make the field a std::optional"));
}

TEST(Rows, BadRowsGoToAFileWhereThatIsAsked) {
  const TemporaryFolder folder;
  const Dataset table = from_rows(points(100)).with_options({.quarantine = folder / "bad.parquet"});
  EXPECT_EQ(TypedDataset<Point>(table).map<fails_at_17>().count(), 99);
  const Block bad = read_parquet(folder / "bad.parquet").block();
  ASSERT_EQ(bad.rows(), 1);
  EXPECT_EQ(bad["step"].text(0), "manta::data::fails_at_17");
  EXPECT_EQ(bad["error"].text(0), "std::out_of_range: 17 is not allowed");
  EXPECT_EQ(bad["row"].text(0), "{'x': 8.5, 'n': 17}");
}

}  // namespace
}  // namespace manta::data
