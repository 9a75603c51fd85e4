// Values that are read where they are stored: arrays, vectors, and objects that the readers of a process share.
#include <gtest/gtest.h>

#include <unistd.h>

#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include <manta/manta.h>

#include "tests/e2e/in_store.h"
#include "tests/e2e/outside.h"

namespace {

using namespace std::chrono_literals;
using manta::Array;
using manta::Ref;
using manta::e2e::await_cell;
using manta::e2e::in_store;
using manta::e2e::outside;

struct Seen {
  bool in_store = false;
  double total = 0;
  std::vector<std::int64_t> shape;
};
Seen sees_array(const Array<float>& xs) {
  return {in_store(xs.data()), std::accumulate(xs.begin(), xs.end(), 0.0), xs.shape()};
}
Seen takes_array(Array<float> xs) { return sees_array(xs); }
Seen sees_vector(const std::vector<float>& xs) {
  return {in_store(xs.data()), std::accumulate(xs.begin(), xs.end(), 0.0), {static_cast<std::int64_t>(xs.size())}};
}
std::vector<float> takes_vector(std::vector<float> xs) {
  xs.push_back(1);
  return xs;
}

TEST(InPlace, ArraysReadStoredVectors) {
  const Ref<std::vector<float>> stored = manta::put(std::vector<float>(100'000, 0.5f));
  for (int i = 0; i < 3; ++i) {
    for (const Seen& seen :
         {manta::get(manta::remote<sees_array>(stored)), manta::get(manta::remote<takes_array>(stored))}) {
      EXPECT_TRUE(seen.in_store);
      EXPECT_EQ(seen.total, 50'000);
      EXPECT_EQ(seen.shape, (std::vector<std::int64_t>{100'000}));
    }
  }
  const auto here = manta::get<Array<float>>(stored, 10s);
  EXPECT_TRUE(in_store(here.data()));
  EXPECT_EQ(here.to_vector(), manta::get(stored));
}

TEST(InPlace, ArraysOfOtherStoredValues) {
  EXPECT_EQ(manta::get(manta::remote<sees_array>(std::vector<float>{1, 2})).total, 3);
  const auto small = manta::put(std::vector<float>{1, 2, 3});
  EXPECT_EQ(manta::get(manta::remote<sees_array>(small)).total, 6);
  EXPECT_EQ(manta::get<Array<float>>(small).span()[2], 3);

  const auto array = manta::put(Array<float>(std::vector<float>(60'000, 1), {200, 300}));
  const Seen seen = manta::get(manta::remote<sees_array>(array));
  EXPECT_TRUE(seen.in_store);
  EXPECT_EQ(seen.total, 60'000);
  EXPECT_EQ(seen.shape, (std::vector<std::int64_t>{200, 300}));
  EXPECT_EQ(manta::get(manta::remote<takes_vector>(array)).size(), 60'001u);

  manta::UniqueBuffer made = manta::create_buffer(400'000);
  std::memset(made.bytes().data(), 0, 400'000);
  const auto buffer = manta::put(std::move(made));
  EXPECT_EQ(manta::get(manta::remote<sees_array>(buffer)).shape, (std::vector<std::int64_t>{100'000}));
  const auto odd = manta::put(manta::create_buffer(400'001));
  const auto refused = manta::try_get(manta::remote<sees_array>(odd));
  ASSERT_FALSE(refused);
  EXPECT_NE(std::string(refused.error().what()).find("400001 bytes are no elements of 4 bytes"), std::string::npos)
      << refused.error().what();
}

TEST(InPlace, ArraysOutliveTheirRefs) {
  auto stored = manta::put(std::vector<float>(100'000, 2));
  const auto here = manta::get<Array<float>>(stored);
  stored = {};
  auto next = manta::put(std::vector<float>(100'000, 3));
  EXPECT_EQ(std::accumulate(here.begin(), here.end(), 0.0), 200'000);
}

TEST(InPlace, ConstVectorsLieInTheStore) {
  const auto stored = manta::put(std::vector<float>(100'000, 0.5f));
  for (int i = 0; i < 3; ++i) {
    const Seen seen = manta::get(manta::remote<sees_vector>(stored));
#ifndef _GLIBCXX_DEBUG
    EXPECT_TRUE(seen.in_store);
#endif
    EXPECT_EQ(seen.total, 50'000);
  }
  EXPECT_EQ(manta::get(manta::remote<takes_vector>(stored)).size(), 100'001u) << "by value: a copy of its own";
  EXPECT_EQ(manta::get(manta::remote<sees_vector>(std::vector<float>(10, 1))).total, 10);
  const auto shared = manta::get<std::shared_ptr<const std::vector<float>>>(stored);
  EXPECT_EQ(*shared, manta::get(stored));
  const std::vector<float> copied = *shared;
  EXPECT_EQ(copied.size(), 100'000u);
}

// Decoding counts in a cell; what is shared has one address.
struct Table {
  std::map<int, std::string> rows;
  template <class Archive>
  void save(Archive& archive) const {
    archive(rows);
  }
  template <class Archive>
  void load(Archive& archive) {
    archive(rows);
    ++outside()[20];
  }
};
Table table_of(int rows) {
  Table table;
  for (int i = 0; i < rows; ++i) table.rows[i] = std::string(100, 'x');
  return table;
}
std::pair<int, std::uintptr_t> looks_up(const Table& table, int row) {
  return {static_cast<int>(table.rows.at(row).size()), reinterpret_cast<std::uintptr_t>(&table)};
}
std::pair<int, std::uintptr_t> takes(Table table) {
  return {static_cast<int>(table.rows.size()), reinterpret_cast<std::uintptr_t>(&table)};
}
manta::Task<int> looks_up_later(const Table& table, int row) {
  co_await manta::yield();
  co_return static_cast<int>(table.rows.at(row).size());
}
struct Reader {
  int look_up(const Table& table, int row) { return looks_up(table, row).first; }
  int pid() { return static_cast<int>(::getpid()); }
};

TEST(InPlace, OneDecodedObjectForAllTasksOfAProcess) {
  outside().clear();
  const auto stored = manta::put(table_of(2'000));
  auto actor = manta::actor<Reader>.options({.num_cpus = 0})();
  EXPECT_EQ(manta::get(actor.call<&Reader::look_up>(stored, 3)), 100);
  const int first = outside()[20];
  for (int i = 0; i < 20; ++i) EXPECT_EQ(manta::get(actor.call<&Reader::look_up>(stored, i)), 100);
  EXPECT_EQ(outside()[20], first);

  const auto before = static_cast<int>(outside()[20]);
  std::vector<Ref<std::pair<int, std::uintptr_t>>> refs;
  for (int i = 0; i < 40; ++i) refs.push_back(manta::remote<looks_up>(stored, i));
  for (const auto& ref : refs) EXPECT_EQ(manta::get(ref).first, 100);
  EXPECT_LE(outside()[20] - before, 4) << "one for each worker process";
  EXPECT_EQ(manta::get(manta::remote<looks_up_later>(stored, 5)), 100);

  const int shared = outside()[20];
  EXPECT_EQ(manta::get(manta::remote<takes>(stored)).first, 2'000);
  EXPECT_EQ(outside()[20], shared + 1) << "a parameter by value has an object of its own";
  const auto here = manta::get<std::shared_ptr<const Table>>(stored);
  EXPECT_EQ(here, manta::get<std::shared_ptr<const Table>>(stored));
}

// Its ends count too: no other test has any.
struct Ending {
  std::vector<std::string> texts;
  Ending() = default;
  Ending(Ending&&) = default;
  Ending(const Ending&) = delete;
  ~Ending() {
    if (!texts.empty()) ++outside()[21];  // not one that was moved from
  }
  template <class Archive>
  void save(Archive& archive) const {
    archive(texts);
  }
  template <class Archive>
  void load(Archive& archive) {
    archive(texts);
    ++outside()[22];
  }
};
struct EndingReader {
  int look(const Ending& ending) { return static_cast<int>(ending.texts.size()); }
};
TEST(InPlace, SharedObjectsAreDroppedAfterTheirLastUse) {
  Ending ending;
  ending.texts.assign(2'000, std::string(100, 'x'));
  const auto stored = manta::put(ending);
  auto actor = manta::actor<EndingReader>.options({.num_cpus = 0})();
  outside().clear();
  EXPECT_EQ(manta::get(actor.call<&EndingReader::look>(stored)), 2'000);
  EXPECT_TRUE(await_cell(21, 1)) << "the worker has not destroyed what it decoded";
  EXPECT_EQ(manta::get(actor.call<&EndingReader::look>(stored)), 2'000);
  EXPECT_EQ(outside()[22], 2);
}

// One that holds a Ref would keep what that refers to.
struct Holder {
  std::string text;
  Ref<int> ref;
  template <class Archive>
  void save(Archive& archive) const {
    archive(text, ref);
  }
  template <class Archive>
  void load(Archive& archive) {
    archive(text, ref);
    ++outside()[20];
  }
};
struct HolderReader {
  int look(const Holder& holder) { return manta::get(holder.ref); }
};
TEST(InPlace, ObjectsThatHoldRefsAreNotKept) {
  const auto stored = manta::put(Holder{std::string(100'000, 'x'), manta::put(5)});
  auto actor = manta::actor<HolderReader>.options({.num_cpus = 0})();
  outside().clear();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(manta::get(actor.call<&HolderReader::look>(stored)), 5);
  EXPECT_EQ(outside()[20], 3);
}

}  // namespace
