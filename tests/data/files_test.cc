#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/data/tables.h"

namespace manta::data {
namespace {

using ::testing::HasSubstr;

struct Wide {
  std::int64_t id;
  double v;
  std::optional<std::string> only_here;
  bool operator==(const Wide&) const = default;
};
struct Narrow {
  std::int32_t id;
  std::int32_t v;
};

Block refuse_rows(const Block& block) {
  if (block.rows() != 0) throw std::runtime_error("no");
  return block;
}

void write(const std::string& file, const std::string& text) { std::ofstream(file) << text; }

TEST(Files, EveryFormatGivesTheRowsBack) {
  const TemporaryFolder folder;
  std::vector<Messy> rows = messy_rows(1, 3000);
  const Dataset table = from_rows(rows);
  EXPECT_EQ(table.write(folder / "a.parquet"), 3000);
  EXPECT_EQ(read_parquet<Messy>(folder / "a.parquet").rows(), rows);
  EXPECT_EQ(table.select({"id", "key", "group"}).write(folder / "a.csv"), 3000);
  EXPECT_EQ(read_csv(folder / "a.csv").select({"id"}).count(), 3000);
  EXPECT_EQ(table.drop({"x"}).write(folder / "a.json"), 3000);
  const Block json = read_json(folder / "a.json").block();
  for (std::int64_t i = 0; i < 3000; ++i) {
    const Messy& row = rows[static_cast<std::size_t>(i)];
    ASSERT_EQ(json["key"].text(i), row.key);
    ASSERT_EQ(json["note"].is_null(i), !row.note);
  }
}

TEST(Files, AreFoundByNameFolderAndPattern) {
  const TemporaryFolder folder;
  for (const char* name : {"b-2.parquet", "b-1.parquet", "c.parquet"}) {
    (void)from_rows(std::vector<Narrow>{{name[2], 0}}).write(folder / name);
  }
  EXPECT_EQ(read_parquet(folder / "b-*.parquet").count(), 2);
  EXPECT_EQ(read_parquet(folder.string()).count(), 3);
  EXPECT_EQ(read_parquet(folder / "b-?.parquet").block()["id"].values<std::int32_t>()[0], '1');  // by name
  EXPECT_THAT(message_of([&] { (void)read_parquet(folder / "d-*.parquet"); }), HasSubstr("there is no file"));
  EXPECT_THAT(message_of([&] { (void)read_csv(folder.string()); }), HasSubstr("has no file *.csv"));
}

TEST(Files, OfDifferentColumnsAreWidenedOrRefused) {
  const TemporaryFolder folder;
  (void)from_rows(std::vector<Narrow>{{1, 2}}).write(folder / "1.parquet");
  (void)from_rows(std::vector<Wide>{{3'000'000'000, 0.5, "x"}}).write(folder / "2.parquet");
  EXPECT_EQ(read_parquet<Wide>(folder.string()).rows(), (std::vector<Wide>{{1, 2, {}}, {3'000'000'000, 0.5, "x"}}));
  struct Text {
    std::int64_t id;
    std::string v;
  };
  (void)from_rows(std::vector<Text>{{1, "text"}}).write(folder / "3.parquet");
  const std::string message = message_of([&] { (void)read_parquet(folder.string()); });
  EXPECT_THAT(message, HasSubstr("column \"v\" is INTEGER in"));
  EXPECT_THAT(message, HasSubstr("1.parquet and VARCHAR in"));
  EXPECT_THAT(message, HasSubstr("3.parquet"));
}

TEST(Files, WithoutRowsAreTablesWithoutRows) {
  const TemporaryFolder folder;
  (void)from_rows(std::vector<Wide>{}).write(folder / "0.parquet");
  (void)from_rows(std::vector<Wide>{{1, 2, "x"}}).write(folder / "1.parquet");
  EXPECT_EQ(read_parquet<Wide>(folder / "0.parquet").rows(), std::vector<Wide>{});
  EXPECT_EQ(read_parquet<Wide>(folder.string()).rows().size(), 1U);
  EXPECT_EQ(read_parquet<Wide>(folder.string()).map([](const Wide& row) { return row.v; }).rows(),
            std::vector<double>{2});
}

TEST(Files, ThatAreDamagedAreNamed) {
  const TemporaryFolder folder;
  (void)from_rows(messy_rows(1, 1000)).write(folder / "good.parquet");
  std::string bytes;
  {
    std::ifstream in(folder / "good.parquet", std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  write(folder / "cut.parquet", bytes.substr(0, bytes.size() / 2));
  write(folder / "empty.parquet", "");
  write(folder / "text.parquet", "this is no Parquet file, but a text");
  for (const char* name : {"cut.parquet", "empty.parquet", "text.parquet"}) {
    EXPECT_THAT(message_of([&] { (void)read_parquet(folder / name); }), HasSubstr(name));
  }
  std::string middle = bytes;  // the end is whole, a page is not
  for (std::size_t i = 100; i < 400; ++i) middle[i] = static_cast<char>(~middle[i]);
  write(folder / "middle.parquet", middle);
  EXPECT_NE(message_of([&] { (void)read_parquet(folder / "middle.parquet").block(); }), "");
  write(folder / "bad.json", "{\"a\": 1}\n{\"a\": \n");
  EXPECT_THAT(message_of([&] { (void)read_json(folder / "bad.json").block(); }), HasSubstr("bad.json"));
}

TEST(Files, AreWrittenWholeOrNotAtAll) {
  const TemporaryFolder folder;
  const auto failing = range(1000).map_batches<refuse_rows>();
  (void)range(3).write(folder / "a.parquet");
  EXPECT_THAT(message_of([&] { (void)failing.write(folder / "a.parquet"); }), HasSubstr("no"));
  EXPECT_EQ(read_parquet(folder / "a.parquet").count(), 3);  // what was there
  EXPECT_THAT(message_of([&] { (void)range(3).write(folder / "none/a.parquet"); }), HasSubstr("none/"));
  for (const auto& entry : std::filesystem::directory_iterator(folder.string())) {
    EXPECT_EQ(entry.path().filename(), "a.parquet");
  }
}

TEST(Files, OfIdxAreImagesAndLabels) {
  const TemporaryFolder folder;
  const auto bytes = [](std::initializer_list<int> header, int count, int factor) {
    std::string text;
    for (const int byte : header) text += static_cast<char>(byte);
    for (int i = 0; i < count; ++i) text += static_cast<char>(i * factor);
    return text;
  };
  // 5,000 images of 2 x 3: more than one block.
  write(folder / "images", bytes({0, 0, 8, 3, 0, 0, 0x13, 0x88, 0, 0, 0, 2, 0, 0, 0, 3}, 30'000, 1));
  write(folder / "labels", bytes({0, 0, 8, 1, 0, 0, 0x13, 0x88}, 5'000, 7));
  const Block block = read_idx(folder / "images", folder / "labels").block();
  EXPECT_EQ(block.schema().to_string(), "image  UTINYINT[3][2]\nlabel  UTINYINT\n");
  ASSERT_EQ(block.rows(), 5'000);
  const auto pixels = block["image"].child(0).child(0).values<std::uint8_t>();
  for (std::size_t i = 0; i < 30'000; ++i) ASSERT_EQ(pixels[i], static_cast<std::uint8_t>(i));
  for (std::size_t i = 0; i < 5'000; ++i)
    ASSERT_EQ(block["label"].values<std::uint8_t>()[i], static_cast<std::uint8_t>(7 * i));
  EXPECT_EQ(read_idx(folder / "images", folder / "labels").filter(col("label") == 7).count(), 20);
  write(folder / "cut", bytes({0, 0, 8, 3, 0, 0, 0x13, 0x88, 0, 0, 0, 2, 0, 0, 0, 3}, 29'999, 1));
  write(folder / "text", "no idx file");
  EXPECT_THAT(message_of([&] { (void)read_idx(folder / "cut", folder / "labels"); }),
              HasSubstr("but its header says 30016"));
  EXPECT_THAT(message_of([&] { (void)read_idx(folder / "text", folder / "labels"); }), HasSubstr("is no idx file"));
  EXPECT_THAT(message_of([&] { (void)read_idx(folder / "labels", folder / "images"); }), HasSubstr("labels"));
  EXPECT_THAT(message_of([&] { (void)read_idx(folder / "nothing", folder / "labels"); }), HasSubstr("cannot read"));
}

/// A source of one's own: squares, ten in each block.
struct Squares {
  std::uint64_t count = 0;
  std::uint64_t blocks() const { return count; }
  Block block(std::uint64_t number) const {
    std::vector<std::int64_t> values;
    for (std::uint64_t i = 0; i < 10; ++i)
      values.push_back(static_cast<std::int64_t>((10 * number + i) * (10 * number + i)));
    return Block(Schema({{"square", Kind::int64}}), {column_of(std::move(values))});
  }
};

TEST(Files, MayBeASourceOfOnesOwn) {
  const Dataset table = read_source(Squares{7});
  EXPECT_EQ(table.count(), 70);
  EXPECT_EQ(table.filter(col("square") > 100).limit(1).block()["square"].values<std::int64_t>()[0], 121);
  EXPECT_EQ(table.sort("square", descending).limit(1).block()["square"].values<std::int64_t>()[0], 69 * 69);
  EXPECT_EQ(read_source(Squares{0}).count(), 0);
}

TEST(Files, OfCsvHaveTheirTypesNullsAndQuotes) {
  const TemporaryFolder folder;
  write(folder / "a.csv", "id;name;x\n1;\"a;b\";0.5\n2;;NA\n");
  const Block block = read_csv(folder / "a.csv", {.delimiter = ";", .null_text = "NA"}).block();
  EXPECT_EQ(block.schema().to_string(), "id    BIGINT\nname  VARCHAR\nx     DOUBLE\n");
  EXPECT_EQ(block["name"].text(0), "a;b");
  EXPECT_TRUE(block["x"].is_null(1));
  struct Typed {
    std::int64_t id;
    std::optional<double> x;
  };
  EXPECT_EQ(read_csv<Typed>(folder / "a.csv", {.delimiter = ";", .null_text = "NA"}).rows()[0].x, 0.5);
}

TEST(Files, APoisonRowIsFoundInItsFile) {
  const TemporaryFolder folder;
  std::vector<Narrow> rows(1000);
  for (int i = 0; i < 1000; ++i) rows[static_cast<std::size_t>(i)] = {i, i % 7};
  (void)from_rows(rows).write(folder / "1.parquet");
  rows[678].v = -1;
  (void)from_rows(rows).write(folder / "2.parquet");
  const auto table = read_parquet<Narrow>(folder.string()).filter([](const Narrow& row) { return row.id % 2 == 0; });
  const std::string message = message_of([&] {
    (void)table.map([](const Narrow& row) { return row.v < 0 ? throw std::invalid_argument("negative") : row.v; })
        .rows();
  });
  EXPECT_THAT(message, HasSubstr("std::invalid_argument: negative\nrow 678 of " + (folder / "2.parquet") +
                                 " (row group 0): {'id': 678, 'v': -1}"));
}

}  // namespace
}  // namespace manta::data
