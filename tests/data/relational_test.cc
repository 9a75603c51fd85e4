// Each operation against plain C++ on random tables.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "tests/data/tables.h"

namespace manta::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Pair {
  std::string key;
  std::int64_t n;
  auto operator<=>(const Pair&) const = default;
};

class Relational : public ::testing::TestWithParam<std::uint32_t> {
 protected:
  std::vector<Messy> rows = messy_rows(GetParam(), GetParam() % 4 == 3 ? 0 : 5000);
  Dataset table = from_rows(rows);
};
INSTANTIATE_TEST_SUITE_P(Seeds, Relational, ::testing::Values(1U, 2U, 3U));

bool more(const std::optional<double>& x, double y) { return x && (std::isnan(*x) || *x > y); }  // NaN is the largest

TEST_P(Relational, Filters) {
  std::vector<Messy> wanted;
  for (const Messy& row : rows) {
    if (more(row.x, 10) && row.key != "it's" && !(row.note && row.note->find("tex") != std::string::npos))
      wanted.push_back(row);
  }
  const Dataset kept =
      table.filter(col("x") > 10 && col("key") != "it's").filter(col("note").is_null() || !col("note").contains("tex"));
  EXPECT_EQ(kept.rows<Messy>(), wanted);
  EXPECT_EQ(kept.count(), static_cast<std::int64_t>(wanted.size()));
}

TEST_P(Relational, GroupsAndAggregates) {
  struct Group {
    std::int64_t count = 0;
    std::vector<double> xs;
    std::set<std::string> notes;
  };
  std::map<std::string, Group> wanted;
  for (const Messy& row : rows) {
    if (row.x && std::isnan(*row.x)) continue;
    Group& group = wanted[row.key];
    ++group.count;
    if (row.x) group.xs.push_back(*row.x);
    if (row.note) group.notes.insert(*row.note);
  }
  const Block groups =
      table.filter(col("x").is_null() || !col("x").is_nan())
          .group_by("key")
          .aggregate(count(), sum("x"), mean("x"), min("x"), max("x"), stddev("x"), quantile("x", 0.25), median("x"),
                     count_distinct("note"), sum(col("group") * 2).as("twice"))
          .sort("key")
          .block();
  ASSERT_EQ(groups.rows(), static_cast<std::int64_t>(wanted.size()));
  std::size_t i = 0;
  for (auto& [key, group] : wanted) {
    std::sort(group.xs.begin(), group.xs.end());
    EXPECT_EQ(groups["key"].text(static_cast<std::int64_t>(i)), key);
    EXPECT_EQ(groups["count"].values<std::int64_t>()[i], group.count);
    EXPECT_EQ(groups["count_distinct(note)"].values<std::int64_t>()[i], static_cast<std::int64_t>(group.notes.size()));
    ASSERT_GT(group.xs.size(), 1U);
    double total = 0, squares = 0;
    for (const double x : group.xs) total += x;
    const double average = total / static_cast<double>(group.xs.size());
    for (const double x : group.xs) squares += (x - average) * (x - average);
    EXPECT_NEAR(groups["sum(x)"].values<double>()[i], total, 1e-6);
    EXPECT_NEAR(groups["mean(x)"].values<double>()[i], average, 1e-9);
    EXPECT_EQ(groups["min(x)"].values<double>()[i], group.xs.front());
    EXPECT_EQ(groups["max(x)"].values<double>()[i], group.xs.back());
    EXPECT_NEAR(groups["stddev(x)"].values<double>()[i], std::sqrt(squares / static_cast<double>(group.xs.size() - 1)),
                1e-9);
    const double at = 0.25 * static_cast<double>(group.xs.size() - 1);
    const auto low = static_cast<std::size_t>(at);
    const double between = group.xs[low] + (at - static_cast<double>(low)) * (group.xs[low + 1] - group.xs[low]);
    EXPECT_NEAR(groups["quantile(x, 0.25)"].values<double>()[i], between, 1e-9);
    ++i;
  }
}

TEST_P(Relational, SortsWithNullsLast) {
  std::vector<Messy> wanted = rows;
  std::stable_sort(wanted.begin(), wanted.end(), [](const Messy& a, const Messy& b) {
    const auto rank = [](const Messy& row) {
      return !row.x ? 2 : std::isnan(*row.x) ? 0 : 1;
    };  // descending: NaN first
    if (rank(a) != rank(b)) return rank(a) < rank(b);
    if (rank(a) == 1 && *a.x != *b.x) return *a.x > *b.x;
    return a.id < b.id;
  });
  EXPECT_EQ(table.sort({{"x", descending}, {"id"}}).rows<Messy>(), wanted);
  EXPECT_EQ(table.sort({{"x", descending}, {"id"}}).limit(7, 2).rows<Messy>(),
            std::vector<Messy>(wanted.begin() + std::min<std::ptrdiff_t>(2, std::ssize(wanted)),
                               wanted.begin() + std::min<std::ptrdiff_t>(9, std::ssize(wanted))));
}

TEST_P(Relational, Joins) {
  const std::vector<Pair> right{{"a", 1}, {"a", 2}, {"JFK", 3}, {"nowhere", 4}};
  const Dataset other = from_rows(right);
  const Dataset left = table.select({"id", "key"});
  std::map<std::string, std::int64_t> matches;
  for (const Pair& pair : right) ++matches[pair.key];
  std::int64_t inner = 0, kept = 0, anti = 0;
  std::set<std::string> seen;
  for (const Messy& row : rows) {
    const std::int64_t found = matches.contains(row.key) ? matches[row.key] : 0;
    inner += found;
    kept += found > 0 ? 1 : 0;
    anti += found == 0 ? 1 : 0;
    seen.insert(row.key);
  }
  std::int64_t unmatched = 0;
  for (const Pair& pair : right) unmatched += seen.contains(pair.key) ? 0 : 1;
  EXPECT_EQ(left.join(other, "key").count(), inner);
  EXPECT_EQ(left.join(other, "key", JoinKind::left).count(), inner + anti);
  EXPECT_EQ(left.join(other, "key", JoinKind::right).count(), inner + unmatched);
  EXPECT_EQ(left.join(other, "key", JoinKind::full).count(), inner + anti + unmatched);
  EXPECT_EQ(left.join(other, "key", JoinKind::semi).count(), kept);
  EXPECT_EQ(left.join(other, "key", JoinKind::anti).count(), anti);
  EXPECT_EQ(left.join(other, "key", JoinKind::semi).schema(), left.schema());
}

TEST_P(Relational, ColumnsAndSets) {
  const Dataset changed = table.with_column("x", col("x").or_else(0.0) + 1)
                              .with_column("y", col("x") * 2)
                              .drop({"note"})
                              .rename({{"group", "g"}});
  EXPECT_EQ(changed.schema().to_string(), "id   BIGINT\nkey  VARCHAR\nx    DOUBLE\ng    INTEGER\ny    DOUBLE\n");
  std::set<std::pair<std::string, std::int32_t>> distinct;
  for (const Messy& row : rows) distinct.insert({row.key, row.group});
  EXPECT_EQ(table.select({"key", "group"}).unique().count(), static_cast<std::int64_t>(distinct.size()));
  EXPECT_EQ(table.unique({"key", "group"}).count(), static_cast<std::int64_t>(distinct.size()));
  std::vector<Messy> twice = rows;
  twice.insert(twice.end(), rows.begin(), rows.end());
  EXPECT_EQ(table.concat(table.select({"group", "note", "x", "key", "id"})).rows<Messy>(), twice);
  EXPECT_EQ(table.zip(range(static_cast<std::int64_t>(rows.size()))).count(), static_cast<std::int64_t>(rows.size()));
  EXPECT_THAT(message_of([&] { (void)table.zip(range(static_cast<std::int64_t>(rows.size()) + 1)).block(); }),
              HasSubstr("different numbers of rows"));
}

TEST_P(Relational, ShufflesAndSamplesDependOnTheSeedOnly) {
  const auto ids = [](const Dataset& from) {
    const Block block = from.select({"id"}).block();
    const auto values = block["id"].values<std::int64_t>();
    return std::vector<std::int64_t>(values.begin(), values.end());
  };
  std::vector<std::int64_t> all = ids(table), shuffled = ids(table.random_shuffle(7));
  EXPECT_EQ(shuffled, ids(table.random_shuffle(7)));
  if (!rows.empty()) {
    EXPECT_NE(shuffled, ids(table.random_shuffle(8)));
    EXPECT_NE(shuffled, all);
  }
  std::sort(shuffled.begin(), shuffled.end());
  EXPECT_EQ(shuffled, all);
  const auto [train, test] = table.split(0.8, 3);
  std::vector<std::int64_t> parts = ids(train), rest = ids(test);
  EXPECT_NEAR(static_cast<double>(parts.size()), 0.8 * static_cast<double>(rows.size()), 150);
  EXPECT_EQ(parts, ids(table.sample(0.8, 3)));
  parts.insert(parts.end(), rest.begin(), rest.end());
  std::sort(parts.begin(), parts.end());
  EXPECT_EQ(parts, all);
}

TEST(RelationalErrors, NameTheOperationTheTableAndTheNearestColumn) {
  const Dataset table = from_rows(messy_rows(1, 10));
  EXPECT_THAT(
      message_of([&] { (void)table.filter(col("grup") > 1); }),
      HasSubstr("data: filter of a table in memory: there is no column \"grup\"; did you mean \"group\" (INTEGER)?"));
  EXPECT_THAT(message_of([&] { (void)table.select({"id", "nope"}); }), HasSubstr("select of a table in memory"));
  EXPECT_THAT(message_of([&] { (void)table.with_column("y", col("key") * 2); }),
              HasSubstr("with_column of a table in memory"));
  EXPECT_THAT(message_of([&] { (void)table.join(table, "id"); }), HasSubstr("both have a column \"key\""));
  EXPECT_THAT(message_of([&] { (void)table.concat(range(3)); }), HasSubstr("there is no column"));
  EXPECT_THAT(message_of([&] { (void)table.limit(-1); }), HasSubstr("must be at least 0"));
  EXPECT_THAT(message_of([&] { (void)table.sample(1.5); }), HasSubstr("from 0 to 1"));
  EXPECT_THAT(message_of([&] { (void)sql("select nope from t", {{"t", table}}); }), HasSubstr("nope"));
  EXPECT_THAT(message_of([&] { (void)table.with_column("i", col("key").cast(Kind::int32)).block(); }),
              HasSubstr("Could not convert"));
}

TEST(Sql, TakesTablesByName) {
  const std::vector<Messy> rows = messy_rows(9, 500);
  const Dataset table = from_rows(rows);
  const Dataset keys = from_rows(std::vector<Pair>{{"a", 10}, {"JFK", 20}});
  const Dataset joined = sql("select k.key, count(*) as n from t join k using (key) group by 1 order by 1 -- a comment",
                             {{"t", table}, {"k", keys}});
  std::int64_t a = 0, jfk = 0;
  for (const Messy& row : rows) {
    a += row.key == "a" ? 1 : 0;
    jfk += row.key == "JFK" ? 1 : 0;
  }
  EXPECT_THAT(joined.rows<Pair>(), ElementsAre(Pair{"JFK", jfk}, Pair{"a", a}));
  const Dataset window =
      sql("with w as (select id, row_number() over (partition by \"group\" order by id) as r from t) select id from w "
          "where r = 1",
          {{"t", table}});
  EXPECT_EQ(window.count(), 5);
}

TEST(Expressions, TextsInExpressionsAreQuoted) {
  struct Text {
    std::string s;
    bool operator==(const Text&) const = default;
  };
  const std::vector<Text> rows{{"it's"}, {"a\"b"}, {"'; drop table x; --"}, {"%"}, {"日本"}};
  for (const Text& row : rows) {
    EXPECT_EQ(from_rows(rows).filter(col("s") == row.s).rows<Text>(), std::vector<Text>{row});
    EXPECT_EQ(from_rows(rows).filter(col("s").is_in({row.s})).count(), 1);
  }
  EXPECT_THAT(message_of([] { (void)(col("s") == std::string("a\0b", 3)); }), HasSubstr("zero byte"));
}

TEST(Expressions, NumbersInExpressionsAreExact) {
  const Dataset one = range(1);
  const auto value = [&](const Expression& expression) {
    return one.with_column("v", expression).block()["v"].values<double>()[0];
  };
  for (const double number : {0.1, -2.5e-300, 1e308, 3.0, -0.0, 1.0 / 3}) EXPECT_EQ(value(number), number);
  EXPECT_TRUE(std::isnan(value(std::numeric_limits<double>::quiet_NaN())));
  EXPECT_EQ(value(-std::numeric_limits<double>::infinity()), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(
      one.with_column("v", Expression(std::numeric_limits<std::int64_t>::min())).block()["v"].values<std::int64_t>()[0],
      std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(value(col("value") + 1.0 - -2), 3);
}

TEST(Aggregates, OfNaNAreNaN) {
  struct Number {
    double x;
  };
  const Dataset table = from_rows(std::vector<Number>{{1}, {std::numeric_limits<double>::quiet_NaN()}, {3}});
  const Block block = table.aggregate(sum("x"), mean("x"), stddev("x"), max("x"), min("x")).block();
  for (const char* name : {"sum(x)", "mean(x)", "stddev(x)", "max(x)"})
    EXPECT_TRUE(std::isnan(block[name].values<double>()[0])) << name;
  EXPECT_EQ(block["min(x)"].values<double>()[0], 1);
  const Block none = table.filter(col("x") > 5 && !col("x").is_nan()).aggregate(count(), sum("x"), stddev("x")).block();
  EXPECT_EQ(none["count"].values<std::int64_t>()[0], 0);
  EXPECT_TRUE(none["sum(x)"].is_null(0));
  EXPECT_TRUE(none["stddev(x)"].is_null(0));
}

TEST(Printing, ShowsAndDescribes) {
  const std::vector<Messy> rows = messy_rows(11, 30);
  const std::string text = from_rows(rows).to_string(3);
  EXPECT_THAT(text, HasSubstr("    id  key"));
  EXPECT_THAT(text, HasSubstr("(the first 3 rows)"));
  const Block described = from_rows(rows).describe().block();
  std::int64_t nulls = 0;
  double sum = 0, finite = 0;
  for (const Messy& row : rows) {
    nulls += row.x ? 0 : 1;
    if (!row.x || std::isnan(*row.x)) continue;
    sum += *row.x;
    ++finite;
  }
  ASSERT_EQ(described.rows(), 5);
  EXPECT_EQ(described["column"].text(2), "x");
  EXPECT_EQ(described["nulls"].values<std::int64_t>()[2], nulls);
  EXPECT_NEAR(described["mean"].values<double>()[2], sum / finite, 1e-9);
  EXPECT_TRUE(described["mean"].is_null(1));  // of text
  EXPECT_EQ(described["max"].text(0), "29");
  EXPECT_EQ(described["q50"].values<double>()[0], 14.5);
  EXPECT_THAT(from_rows(rows).filter(col("id") > 3).explain(), HasSubstr("filter"));
}

}  // namespace
}  // namespace manta::data
