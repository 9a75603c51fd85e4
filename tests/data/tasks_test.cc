// Plans in worker processes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <numeric>

#include <manta/manta.h>

#include "tests/data/tables.h"

namespace manta::data {
namespace {

using ::testing::HasSubstr;
using Ids = std::vector<std::int64_t>;

struct Row {
  std::int64_t id;
  double x;
  std::string key;
};
struct Out {
  std::int64_t id;
  double y;
  std::int64_t process;
};

Out work(const Row& row) { return {row.id, row.x * 2, ::getpid()}; }

/// Ends its process once, in the middle of a block.
struct KillsOnce {
  std::string marker;
  Out operator()(const Row& row) const {
    if (row.id == 5'000 && !std::filesystem::exists(marker)) {
      (void)std::fclose(std::fopen(marker.c_str(), "w"));
      ::kill(::getpid(), SIGKILL);
    }
    return work(row);
  }
};

class Offset {
 public:
  explicit Offset(double offset) : offset_(offset) {}
  Out operator()(const Row& row) const { return {row.id, row.x + offset_, ::getpid()}; }

 private:
  double offset_;
};

std::int64_t count_below(const Dataset& data) { return data.filter(col("id") < 100).count(); }

class Tasks : public ::testing::Test {
 protected:
  Tasks() {
    for (std::int64_t file = 0; file < 8; ++file) {
      std::vector<Row> rows;
      for (std::int64_t i = 0; i < 2'000; ++i) {
        const std::int64_t id = file * 2'000 + i;
        rows.push_back({id, static_cast<double>(id) / 4, id % 3 == 0 ? "third" : "other"});
      }
      (void)from_rows(rows).write(folder / (std::to_string(file) + ".parquet"));
    }
  }
  /// Blocks of about 1,500 rows.
  TypedDataset<Row> table() {
    return TypedDataset<Row>(
               read_parquet(folder.string()).with_options({.memory_budget_bytes = 1 << 20, .max_blocks = 6}))
        .as<Row>();
  }
  TemporaryFolder folder;
};

TEST_F(Tasks, RunStepsInWorkersInOrder) {
  const auto rows = table().filter([](const Row& row) { return row.id % 2 == 1; }).map<work>().rows();
  ASSERT_EQ(rows.size(), 8'000U);
  std::vector<std::int64_t> processes;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    ASSERT_EQ(rows[i].id, static_cast<std::int64_t>(2 * i + 1));
    ASSERT_EQ(rows[i].y, static_cast<double>(rows[i].id) / 2);
    processes.push_back(rows[i].process);
  }
  EXPECT_EQ(std::count(processes.begin(), processes.end(), ::getpid()), 0);
}

TEST_F(Tasks, FeedTheEngine) {
  const Block groups = table().map<work>().filter(col("y") >= 100).aggregate(count(), sum("y"), min("id")).block();
  EXPECT_EQ(groups["count"].values<std::int64_t>()[0], 16'000 - 200);
  EXPECT_EQ(groups["min(id)"].values<std::int64_t>()[0], 200);
  EXPECT_EQ(table().sort("x", descending).as<Row>().map<work>().limit(1).rows<Out>()[0].id, 15'999);
  EXPECT_EQ(table().map<work>().join(table().select({"id", "key"}), "id").filter(col("key") == "third").count(), 5'334);
}

TEST_F(Tasks, LoseNoRowWithAWorker) {
  const auto rows = table().map_with<KillsOnce>(StepOptions{}, KillsOnce{folder / "marker"}).rows();
  EXPECT_TRUE(std::filesystem::exists(folder / "marker"));
  ASSERT_EQ(rows.size(), 16'000U);
  for (std::size_t i = 0; i < rows.size(); ++i) ASSERT_EQ(rows[i].id, static_cast<std::int64_t>(i));
  std::filesystem::remove(folder / "marker");
  const auto again = table().map(KillsOnce{folder / "marker"}).rows();
  EXPECT_TRUE(std::filesystem::exists(folder / "marker"));
  ASSERT_EQ(again.size(), 16'000U);
}

TEST_F(Tasks, KeepModelsInActors) {
  const auto rows = table().map_with<Offset>({.num_cpus = 0, .min_actors = 2, .max_actors = 2}, 10.0).rows();
  std::vector<std::int64_t> processes;
  for (const Out& row : rows) {
    ASSERT_EQ(row.y, static_cast<double>(row.id) / 4 + 10);
    processes.push_back(row.process);
  }
  std::sort(processes.begin(), processes.end());
  EXPECT_EQ(std::unique(processes.begin(), processes.end()) - processes.begin(), 2);
}

TEST_F(Tasks, NameAPoisonRow) {
  const std::string message = message_of([&] {
    (void)table()
        .map([](const Row& row) { return row.id == 9'999 ? throw std::runtime_error("poison") : row.x; })
        .rows();
  });
  EXPECT_THAT(message, HasSubstr("std::runtime_error: poison"));
  EXPECT_THAT(message, HasSubstr("row 1999 of " + (folder / "4.parquet") +
                                 " (row group 0): {'id': 9999, 'x': 2499.75, 'key': third}"));
}

TEST_F(Tasks, APlanIsAnArgument) {
  const auto counted = manta::remote<count_below>(table().map<work>());
  EXPECT_EQ(manta::get(counted), 100);
}

// --- feeding several workers ---

Ids ids_of(const Shard& shard, int batches) {
  Ids ids;
  Batches reader = shard.batches(50, {.drop_last = true});
  for (int i = 0; i < batches; ++i) {
    const std::optional<Block> batch = reader.next();
    if (!batch) break;
    const auto values = (*batch)["id"].values<std::int64_t>();
    ids.insert(ids.end(), values.begin(), values.end());
  }
  return ids;
}

/// What all shards got, batch by batch in turn.
Ids in_turn(const std::vector<Ids>& shards) {
  Ids all;
  for (std::size_t from = 0; from < shards.front().size(); from += 50) {
    for (const Ids& ids : shards)
      all.insert(all.end(), ids.begin() + static_cast<std::ptrdiff_t>(from),
                 ids.begin() + static_cast<std::ptrdiff_t>(from + 50));
  }
  return all;
}

Ids epoch_of(const Dataset& data, const std::vector<Shard>& shards, int batches) {
  (void)data;
  std::vector<manta::Ref<Ids>> refs;
  for (const Shard& shard : shards) refs.push_back(manta::remote<ids_of>(shard, batches));
  return in_turn(manta::get(refs));
}

TEST_F(Tasks, ShardsGetOneSequenceWhateverTheirNumber) {
  const Dataset data = table().map<work>().shuffle({.seed = 3, .window_rows = 3'000});
  const Ids one = epoch_of(data, data.streaming_split(1), 1000);
  EXPECT_EQ(one.size(), 16'000U);
  const Ids two = epoch_of(data, data.streaming_split(2), 1000);
  const Ids three = epoch_of(data, data.streaming_split(3), 1000);
  EXPECT_EQ(two, one);
  EXPECT_EQ(three, Ids(one.begin(), one.begin() + std::ssize(three)));  // 320 batches: two are left out
  EXPECT_EQ(three.size(), 106U * 3 * 50);
  Ids sorted = one;
  std::sort(sorted.begin(), sorted.end());
  Ids wanted(16'000);
  std::iota(wanted.begin(), wanted.end(), 0);
  EXPECT_EQ(sorted, wanted);
}

/// Reads batches from a position, and says where it is then.
std::pair<Ids, Position> read_some(Shard shard, Position from, int batches) {
  shard.seek(from);
  Ids ids = ids_of(shard, batches);
  return {ids, shard.position()};
}

TEST_F(Tasks, ShardsResumeWithAnotherNumberOfWorkers) {
  const Dataset data = table().map<work>().shuffle({.seed = 4, .window_rows = 3'000});
  const Ids undisturbed = epoch_of(data, data.streaming_split(1), 1000);
  Position position;
  Ids all;
  for (const int workers : {2, 3, 1, 4}) {
    const std::vector<Shard> shards = data.streaming_split(workers);
    std::vector<manta::Ref<std::pair<Ids, Position>>> refs;
    for (const Shard& shard : shards)
      refs.push_back(manta::remote<read_some>(shard, position, workers == 4 ? 1000 : 13));
    std::vector<Ids> parts;
    for (auto& [ids, at] : manta::get(refs)) {
      parts.push_back(ids);
      position = at;
    }
    const Ids part = in_turn(parts);
    all.insert(all.end(), part.begin(), part.end());
  }
  EXPECT_EQ(all, Ids(undisturbed.begin(), undisturbed.begin() + std::ssize(all)));
  EXPECT_GT(all.size(), 15'700U);
}

/// Holds CPUs for its whole life.
struct Holder {
  Ids read(const Shard& shard) { return ids_of(shard, 1000); }
};

TEST_F(Tasks, ConsumersThatHoldAllCpusAreFed) {
  // What is kept for the loader is made by tasks, too.
  const Dataset data = table().map<work>().sort("id").shuffle({.seed = 6});
  const auto holder = manta::actor<Holder>.options({.num_cpus = 3})();
  const Ids ids = manta::get(holder.call<&Holder::read>(data.streaming_split(1)[0]), std::chrono::seconds(30));
  EXPECT_EQ(ids.size(), 16'000U);
}

std::int64_t parent() { return ::getppid(); }

/// Kills all workers, the actor that feeds among them.
void kill_workers() {
  const std::int64_t zygote = manta::get(manta::remote<parent>());
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream in(entry.path() / "status");
    std::int64_t process = 0, of = 0;
    for (std::string line; std::getline(in, line);) {
      if (line.rfind("Pid:", 0) == 0) process = std::atoll(line.c_str() + 4);
      if (line.rfind("PPid:", 0) == 0) of = std::atoll(line.c_str() + 5);
    }
    if (of == zygote && process > 0) ::kill(static_cast<pid_t>(process), SIGKILL);
  }
}

TEST_F(Tasks, AShardGoesOnWhenAllWorkersDie) {
  const Dataset data = table().map<work>().shuffle({.seed = 5, .window_rows = 3'000});
  const Ids undisturbed = epoch_of(data, data.streaming_split(1), 1000);
  const std::vector<Shard> shards = data.streaming_split(1);
  Batches batches = shards[0].batches(50, {.drop_last = true});
  Ids ids;
  for (int i = 0; const std::optional<Block> batch = batches.next(); ++i) {
    const auto values = (*batch)["id"].values<std::int64_t>();
    ids.insert(ids.end(), values.begin(), values.end());
    if (i == 30 || i == 200) kill_workers();
  }
  EXPECT_EQ(ids, undisturbed);
}

}  // namespace
}  // namespace manta::data
