// Data: what ray_data.py measures, on the same files, with the same names.
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include <manta/data.h>
#include <manta/manta.h>

#include "bench/areas.h"

namespace manta::bench {

namespace {

using data::col;
using data::Dataset;

constexpr std::string_view kRead = "data: read (materialize), manta";
constexpr std::string_view kGroup = "data: read+filter+group-by sum, manta";
constexpr std::string_view kAdd = "data: read+add column, manta";
constexpr std::string_view kAddFunction = "data: read+add column by a function per row, manta";
constexpr std::string_view kAddRows = "data: read+function per row of a struct, manta";
constexpr std::string_view kSort = "data: read+sort, manta";
constexpr std::string_view kShuffle = "data: read+random shuffle, manta";
constexpr std::string_view kWindows = "data: read+shuffle by windows, manta";
constexpr std::string_view kWrite = "data: read+write parquet, manta";
constexpr std::string_view kBatches = "data: iter_batches of 4096, manta";
constexpr std::string_view kFirst = "data: first batch after the call, manta";
constexpr std::string_view kResume = "data: resume at batch 1,000,000, manta";  // of 8 rows each
constexpr std::string_view kJoin = "data: join of 10 M with 1 M rows, manta";

struct Row {
  double x0, x1;
};
double add(double x0, double x1) { return x0 + 2 * x1; }
double add_row(const Row& row) { return row.x0 + 2 * row.x1; }

std::string folder() {
  const char* given = std::getenv("PEERS_DATA_DIR");
  return given != nullptr ? std::string(given) : (std::filesystem::temp_directory_path() / "peers-data").string();
}

// The peers' files, or such files: 16 of them with id, x0 to x3 and a text key out of a thousand.
Dataset table() {
  const std::string source = folder() + "/src";
  if (!std::filesystem::exists(source + "/015.parquet")) {
    std::filesystem::create_directories(source);
    for (int file = 0; file < 16; ++file) {
      const std::string from = std::to_string(file * 625'000), to = std::to_string((file + 1) * 625'000);
      const std::string name = (file < 10 ? "/00" : "/0") + std::to_string(file) + ".parquet";
      (void)data::sql(
          "select range as id, random() as x0, random() as x1, random() as x2, random() as x3, "
          "format('key{:04d}', cast(random() * 999 as int)) as key from range(" +
          from + ", " + to + ")")
          .write(source + name);
    }
  }
  return data::read_parquet(source);
}

// Millions of rows a second.
template <class Body>
void rate(const Harness& harness, std::string_view name, std::int64_t rows, Body&& body) {
  body();
  std::vector<Run> runs;
  for (int i = 0; i < Harness::kRuns; ++i) {
    const Stopwatch watch;
    body();
    runs.push_back(watch.stop(static_cast<double>(rows) / 1e6 / watch.seconds(), false));
  }
  harness.emit(name, "Mrows/s", runs);
}

// Seconds, with the workers idle before each run: those of the run before go on for a moment with what it has started.
template <class Body>
void idle_between(const Harness& harness, std::string_view name, Body&& body) {
  std::vector<Run> runs;
  for (int i = 0; i <= Harness::kRuns; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    const Stopwatch watch;
    body();
    const Run run = watch.stop(watch.seconds(), false);
    if (i > 0) runs.push_back(run);  // the first starts the workers
  }
  harness.emit(name, "s", runs);
}

std::int64_t rows_in(const Dataset& result) {
  std::int64_t rows = 0;
  std::vector<data::Block> kept;  // all of it is there at the end, as a peer's table is
  for (const data::Block& block : result.blocks()) {
    rows += block.rows();
    kept.push_back(block);
  }
  return rows;
}

template <class Plan>
void materialized(Harness& harness, std::string_view name, Plan&& plan) {
  const Runtime runtime = harness.start();
  const Dataset source = table();
  const std::int64_t rows = source.count();
  rate(harness, name, rows, [&] { check(rows_in(plan(source)) == rows, name); });
}

void read(Harness& harness) {
  materialized(harness, kRead, [](const Dataset& source) { return source; });
}
void group(Harness& harness) {
  const Runtime runtime = harness.start();
  const Dataset source = table();
  rate(harness, kGroup, source.count(), [&] {
    check(source.filter(col("x0") > 0.5).group_by("key").aggregate(data::sum("x1")).block().rows() == 1000, "groups");
  });
}
void add_column(Harness& harness) {
  materialized(harness, kAdd, [](const Dataset& source) { return source.with_column("y", col("x0") + 2 * col("x1")); });
}
void add_by_function(Harness& harness) {
  materialized(harness, kAddFunction, [](const Dataset& source) { return source.with_column<add>("y", {"x0", "x1"}); });
}
void add_by_row(Harness& harness) {
  materialized(harness, kAddRows, [](const Dataset& source) -> Dataset { return source.as<Row>().map<add_row>(); });
}
void sort(Harness& harness) {
  materialized(harness, kSort, [](const Dataset& source) { return source.sort("x0"); });
}
void shuffle(Harness& harness) {
  materialized(harness, kShuffle, [](const Dataset& source) { return source.random_shuffle(1); });
}
void windows(Harness& harness) {
  materialized(harness, kWindows, [](const Dataset& source) { return source.shuffle({.seed = 1}); });
}
void write(Harness& harness) {
  const Runtime runtime = harness.start();
  const Dataset source = table();
  const std::string file = folder() + "/out.parquet";
  rate(harness, kWrite, source.count(), [&] { check(source.write(file) == source.count(), "rows written"); });
  std::filesystem::remove(file);
}
void batches(Harness& harness) {
  const Runtime runtime = harness.start();
  const Dataset source = table();
  const std::int64_t all = source.count();
  rate(harness, kBatches, all, [&] {
    std::int64_t rows = 0;
    for (const data::Block& batch : source.batches(4096)) rows += batch["id"].rows();
    check(rows == all, "rows in batches");
  });
}
void first_batch(Harness& harness) {
  const Runtime runtime = harness.start();
  (void)table();  // the files are there
  idle_between(harness, kFirst, [] {
    data::Batches all = table().batches(4096);
    check(all.next()->rows() == 4096, "the first batch");
  });
}
void resume(Harness& harness) {
  const Runtime runtime = harness.start();
  const auto shuffled = [] { return table().shuffle({.seed = 1}); };
  data::Batches first = shuffled().batches(8);
  for (int i = 0; i < 1'000'000; ++i) check(first.next().has_value(), "a batch");
  const data::Position position = first.position();
  const auto next = first.next()->column(0).values<std::int64_t>()[0];
  idle_between(harness, kResume, [&] {
    data::Batches again = shuffled().batches(8);
    again.seek(position);
    check(again.next()->column(0).values<std::int64_t>()[0] == next, "the batch");
  });
}
void join(Harness& harness) {
  const Runtime runtime = harness.start();
  const Dataset source = table();
  const Dataset other = source.filter(col("id") % 10 == 0).select({"id", "x3"}).rename({{"x3", "z"}});
  rate(harness, kJoin, source.count(),
       [&] { check(source.join(other, "id").count() == source.count() / 10, "rows joined"); });
}

}  // namespace

Area data_area() {
  return {"data",
          {{{kRead}, read},
           {{kGroup}, group},
           {{kAdd}, add_column},
           {{kAddFunction}, add_by_function},
           {{kAddRows}, add_by_row},
           {{kSort}, sort},
           {{kShuffle}, shuffle},
           {{kWindows}, windows},
           {{kWrite}, write},
           {{kBatches}, batches},
           {{kFirst}, first_batch},
           {{kResume}, resume},
           {{kJoin}, join}}};
}

}  // namespace manta::bench
