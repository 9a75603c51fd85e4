#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/data/tables.h"

namespace manta::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Nested {
  std::vector<std::optional<std::string>> tags;
  std::array<float, 3> position{};
  struct Inner {
    bool flag = false;
    std::optional<std::vector<std::int16_t>> numbers = {};
    bool operator==(const Inner&) const = default;
  } inner;
  std::optional<Inner> maybe;
  std::chrono::sys_days day{};
  std::chrono::sys_time<std::chrono::microseconds> time{};
  bool operator==(const Nested&) const = default;
};

std::vector<Nested> nested_rows() {
  std::vector<Nested> rows(3);
  rows[0].tags = {"a", std::nullopt, "ccc"};
  rows[0].position = {1, 2, 3};
  rows[0].inner.flag = true;
  rows[0].inner.numbers.emplace({std::int16_t{1}, std::int16_t{-2}});
  rows[0].maybe.emplace();
  rows[0].day = std::chrono::sys_days(std::chrono::days(-3));
  rows[0].time += std::chrono::microseconds(1234567);
  rows[1].position = {4, 5, 6};
  rows[1].day = std::chrono::sys_days(std::chrono::days(20000));
  rows[2].tags = {"日本"};
  rows[2].inner.numbers.emplace();
  rows[2].maybe.emplace().numbers.emplace({std::int16_t{7}});
  return rows;
}

template <class T>
T through_bytes(const T& value) {
  serial::Writer writer;
  writer(value);
  std::vector<std::byte> bytes(writer.encoded_size());
  writer.encode_into(bytes.data());
  serial::Reader reader(bytes, writer.framed());
  T read = serial::decode<T>(reader);
  reader.finish();
  return read;
}

TEST(Block, FieldsOfAStructAreItsColumns) {
  const Schema schema = row_schema<Nested>();
  EXPECT_EQ(schema.to_string(),
            "tags      VARCHAR[]\n"
            "position  FLOAT[3]\n"
            "inner     STRUCT(\"flag\" BOOLEAN, \"numbers\" SMALLINT[])\n"
            "maybe     STRUCT(\"flag\" BOOLEAN, \"numbers\" SMALLINT[])\n"
            "day       DATE\n"
            "time      TIMESTAMP\n");
}

TEST(Block, RowsComeBackAsTheyWere) {
  const std::vector<Nested> rows = nested_rows();
  EXPECT_EQ(rows_of<Nested>(block_of(rows)), rows);
  EXPECT_EQ(rows_of<Nested>(through_bytes(block_of(rows))), rows);
  const std::vector<Messy> messy = messy_rows(1, 1000);
  EXPECT_EQ(rows_of<Messy>(block_of(messy)), messy);
  EXPECT_EQ(rows_of<Messy>(through_bytes(block_of(messy))), messy);
}

TEST(Block, SlicesTakesAndConcatsAreThoseOfTheRows) {
  const std::vector<Messy> rows = messy_rows(2, 200);
  const Block block = block_of(rows);
  std::mt19937 random(3);
  for (int round = 0; round < 50; ++round) {
    const auto from = static_cast<std::int64_t>(random() % 200), count = static_cast<std::int64_t>(random() % 60);
    const Block slice = block.slice(from, count).slice(static_cast<std::int64_t>(random() % 5), 40);
    std::vector<Messy> wanted(rows.begin() + (200 - slice.rows() >= 0 ? 0 : 0), rows.begin());
    const std::int64_t first = slice.rows() == 0 ? 0 : slice["id"].values<std::int64_t>()[0];
    for (std::int64_t i = 0; i < slice.rows(); ++i) wanted.push_back(rows[static_cast<std::size_t>(first + i)]);
    EXPECT_EQ(rows_of<Messy>(slice), wanted);
    EXPECT_EQ(rows_of<Messy>(through_bytes(slice)), wanted);
    const Block twice = Block::concat(std::vector<Block>{slice, block, slice});
    std::vector<Messy> joined = wanted;
    joined.insert(joined.end(), rows.begin(), rows.end());
    joined.insert(joined.end(), wanted.begin(), wanted.end());
    EXPECT_EQ(rows_of<Messy>(twice), joined);
    std::vector<std::int64_t> positions;
    std::vector<Messy> taken;
    for (int i = 0; i < 30; ++i) {
      positions.push_back(static_cast<std::int64_t>(random() % joined.size()));
      taken.push_back(joined[static_cast<std::size_t>(positions.back())]);
    }
    EXPECT_EQ(rows_of<Messy>(twice.take(positions)), taken);
  }
  const std::vector<Nested> nested = nested_rows();
  EXPECT_EQ(rows_of<Nested>(block_of(nested).slice(1, 2)), (std::vector<Nested>{nested[1], nested[2]}));
  EXPECT_EQ(rows_of<Nested>(through_bytes(block_of(nested).slice(2, 1))), (std::vector<Nested>{nested[2]}));
  EXPECT_EQ(rows_of<Nested>(block_of(nested).take(std::vector<std::int64_t>{2, 0})),
            (std::vector<Nested>{nested[2], nested[0]}));
}

TEST(Block, AMalformedEncodingIsRefused) {
  const Block block = block_of(messy_rows(4, 50));
  serial::Writer writer;
  writer(block);
  std::vector<std::byte> bytes(writer.encoded_size());
  writer.encode_into(bytes.data());
  std::mt19937 random(5);
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::byte> damaged = bytes;
    for (std::uint32_t i = 0; i < 1 + random() % 3; ++i)
      damaged[random() % damaged.size()] = static_cast<std::byte>(random());
    if (random() % 2 == 0) damaged.resize(random() % damaged.size());
    try {
      serial::Reader reader(damaged, writer.framed());
      const Block read = serial::decode<Block>(reader);
      for (const Column& column : read.columns()) {  // what is accepted can be read
        for (std::int64_t row = 0; row < column.rows(); ++row) {
          (void)column.is_null(row);
          if (column.type().kind == Kind::text) (void)std::string(column.text(row));
        }
      }
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST(Block, AWrongColumnIsNamedWithTheNearest) {
  const Block block = block_of(messy_rows(6, 3));
  EXPECT_THAT(message_of([&] { (void)block["nte"]; }), HasSubstr("did you mean \"note\" (VARCHAR)?"));
  EXPECT_THAT(message_of([&] { (void)block["zzzzzz"]; }), HasSubstr("there are: id BIGINT, key VARCHAR"));
  EXPECT_THAT(message_of([&] { (void)block["id"].values<float>(); }), HasSubstr("has the type BIGINT, not FLOAT"));
  EXPECT_THAT(message_of([] {
                Schema({{"a", Kind::int8}, {"a", Kind::int8}});
              }),
              HasSubstr("two columns have the name \"a\""));
}

TEST(Block, ColumnsAreAddedAndReplaced) {
  const Block block(Schema({{"a", Kind::int32}}), {column_of(std::vector<std::int32_t>{1, 2})});
  const Block two = block.with("b", column_of(std::vector<double>{3, 4}));
  EXPECT_THAT(two["b"].values<double>(), ElementsAre(3, 4));
  EXPECT_EQ(two.with("a", column_of(std::vector<float>{5, 6})).schema().to_string(), "a  FLOAT\nb  DOUBLE\n");
  EXPECT_THAT(message_of([&] { (void)block.with("c", column_of(std::vector<double>{1})); }),
              HasSubstr("has 1 rows, but the block has 2"));
}

}  // namespace
}  // namespace manta::data
