// References as arguments, inside containers, in results, kept by tasks.
#include <gtest/gtest.h>

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

#include <manta/manta.h>

#include "tests/e2e/in_store.h"
#include "tests/e2e/outside.h"

namespace {

using manta::Ref;
using manta::e2e::in_store;
using Ints = std::vector<int>;

int twice(int x) { return 2 * x; }
int add(int a, int b) { return a + b; }
Ints many(int n, int value) { return Ints(static_cast<std::size_t>(n), value); }
long sum(const Ints& values) {
  long total = 0;
  for (const int v : values) total += v;
  return total;
}

struct Batch {
  std::string name;
  std::vector<Ref<int>> parts;
  std::map<std::string, Ref<Ints>> tables;
  std::optional<Ref<int>> bonus;
};

long sum_of_batch(const Batch& batch) {
  long total = 0;
  for (const auto& part : batch.parts) total += manta::get(part);
  for (const auto& [name, table] : batch.tables) total += sum(manta::get(table));
  if (batch.bonus) total += manta::get(*batch.bonus);
  return total;
}

int value_behind(Ref<int> ref) { return manta::get(ref); }
Ref<int> child_of(int x) { return manta::remote<twice>(x); }
Ref<Ints> put_here(int n, int value) { return manta::put(Ints(static_cast<std::size_t>(n), value)); }
Ref<Ref<int>> grandchild_of(int x) { return manta::remote<child_of>(x); }
Ref<int> pass_on(Ref<int> ref) { return ref; }
std::vector<Ref<Ints>> fan_out(int n, int size) {
  std::vector<Ref<Ints>> refs;
  for (int i = 0; i < n; ++i) refs.push_back(manta::remote<many>(size, i));
  return refs;
}
long sum_all(const std::vector<Ref<Ints>>& refs) {
  long total = 0;
  for (const auto& ref : refs) total += sum(manta::get(ref));
  return total;
}
Batch make_batch(int n) {
  Batch batch{"made", {}, {}, manta::put(1000)};
  for (int i = 0; i < n; ++i) batch.parts.push_back(manta::remote<twice>(i));
  batch.tables["ones"] = manta::put(Ints(50'000, 1));
  batch.tables["twos"] = manta::remote<many>(10, 2);
  return batch;
}

TEST(Refs, AsArguments) {
  auto four = manta::remote<twice>(2);
  EXPECT_EQ(manta::get(manta::remote<add>(four, manta::remote<twice>(four))), 12);
  EXPECT_EQ(manta::get(manta::remote<add>(four, four)), 8);
  EXPECT_EQ(manta::get(manta::remote<add>(1, four)), 5);
  EXPECT_EQ(manta::get(manta::remote<add>(manta::put(40), four)), 44);
  EXPECT_EQ(manta::get(manta::remote<sum>(manta::remote<many>(100'000, 2))), 200'000);
}

TEST(Refs, ToARefParameter) {
  auto four = manta::remote<twice>(2);
  EXPECT_EQ(manta::get(manta::remote<value_behind>(four)), 4);
  EXPECT_EQ(manta::get(manta::get(manta::remote<pass_on>(four))), 4);
}

TEST(Refs, InContainers) {
  Batch batch{"b", {}, {}, std::nullopt};
  for (int i = 0; i < 20; ++i) batch.parts.push_back(manta::remote<twice>(i));
  batch.tables["small"] = manta::remote<many>(10, 1);
  batch.tables["large"] = manta::remote<many>(100'000, 1);
  batch.tables["put"] = manta::put(Ints(50'000, 2));
  batch.bonus = manta::put(7);
  EXPECT_EQ(manta::get(manta::remote<sum_of_batch>(batch)), 380 + 10 + 100'000 + 100'000 + 7);
  // As an object of its own: the container is stored, its references with it.
  auto stored = manta::put(std::move(batch));
  batch = {};
  EXPECT_EQ(manta::get(manta::remote<sum_of_batch>(stored)), 380 + 10 + 100'000 + 100'000 + 7);
  const Batch back = manta::get(stored);
  stored = {};
  EXPECT_EQ(manta::get(back.parts[19]), 38);
  EXPECT_EQ(manta::get(back.tables.at("large")).size(), 100'000U);
}

TEST(Refs, SameRefTwiceInOneContainer) {
  auto four = manta::remote<twice>(2);
  Batch batch{"b", {four, four, four}, {}, four};
  EXPECT_EQ(manta::get(manta::remote<sum_of_batch>(batch)), 16);
  const Batch back = manta::get(manta::put(batch));
  EXPECT_EQ(back.parts[0], four);
  EXPECT_EQ(back.parts[2], back.bonus);
}

TEST(Refs, OfRefs) {
  Ref<Ref<int>> outer = manta::remote<child_of>(21);
  EXPECT_EQ(manta::get(manta::get(outer)), 42);
  Ref<Ref<Ref<int>>> deeper = manta::remote<grandchild_of>(4);
  EXPECT_EQ(manta::get(manta::get(manta::get(deeper))), 8);
  // The inner ref goes on to another task, as a value and as a ref.
  EXPECT_EQ(manta::get(manta::remote<twice>(manta::get(outer))), 84);
  EXPECT_EQ(manta::get(manta::remote<value_behind>(outer)), 42);
}

TEST(Refs, OwnedByAWorkerThatMadeThem) {
  for (const int size : {1, 100, 3'000, 30'000, 1'000'000}) {
    auto put = manta::get(manta::remote<put_here>(size, 3));
    EXPECT_EQ(sum(manta::get(put)), 3L * size);
    EXPECT_EQ(manta::get(manta::remote<sum>(put)), 3L * size);
  }
  auto refs = manta::get(manta::remote<fan_out>(10, 20'000));
  EXPECT_EQ(manta::get(manta::remote<sum_all>(refs)), 45L * 20'000);
  EXPECT_EQ(sum_all(refs), 45L * 20'000);
  EXPECT_EQ(manta::get(manta::remote<sum_all>(manta::remote<fan_out>(10, 5))), 45L * 5);
}

TEST(Refs, StructOfRefsAsResult) {
  auto batch = manta::remote<make_batch>(10);
  EXPECT_EQ(manta::get(manta::remote<sum_of_batch>(batch)), 90 + 50'000 + 20 + 1000);
  EXPECT_EQ(sum_of_batch(manta::get(batch)), 90 + 50'000 + 20 + 1000);
}

// A task that keeps a ref after its end: it must stay valid although the program that passed it drops its own.
Ref<Ints>& kept() {
  static Ref<Ints> ref;
  return ref;
}
int keep(std::vector<Ref<Ints>> refs) {
  kept() = refs.at(0);
  return static_cast<int>(::getpid());
}
// Long enough that the calls of one round run in different workers.
std::pair<int, long> read_kept() {
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return {static_cast<int>(::getpid()), kept() ? sum(manta::get(kept())) : -1};
}
int drop_kept() {
  kept() = {};
  return 0;
}

TEST(Refs, KeptByATaskAfterItsEnd) {
  for (const int size : {10, 200'000}) {
    auto ref = manta::put(Ints(static_cast<std::size_t>(size), 5));
    const int process = manta::get(manta::remote<keep>(std::vector{ref}));
    ref = {};
    // Something else comes to lie where the object would have been, were it freed.
    auto other = manta::put(Ints(static_cast<std::size_t>(size), 6));
    // One call after the other may go to another worker for ever: rounds of calls at once reach every worker.
    bool found = false;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!found && std::chrono::steady_clock::now() < end) {
      std::vector<Ref<std::pair<int, long>>> round;
      for (int i = 0; i < 16; ++i) round.push_back(manta::remote<read_kept>());
      for (const auto& [where, total] : manta::get(round)) {
        if (where != process) continue;
        found = true;
        EXPECT_EQ(total, 5L * size);
      }
    }
    EXPECT_TRUE(found) << "process " << process << " ran none of the later tasks";
    for (int i = 0; i < 20; ++i) (void)manta::get(manta::remote<drop_kept>());
    EXPECT_EQ(manta::get(other)[0], 6);
  }
}

int count_run(int) { return static_cast<int>(++manta::e2e::outside()[0]); }

TEST(Refs, Dropped) {
  // The references to the results are dropped at once: the tasks run all the same.
  manta::e2e::outside()[0] = 0;
  for (int i = 0; i < 500; ++i) (void)manta::remote<count_run>(manta::remote<twice>(i));
  EXPECT_TRUE(manta::e2e::await_cell(0, 500));
}

TEST(Refs, HashAndEquality) {
  auto a = manta::put(1);
  auto b = manta::put(1);
  const std::unordered_set<Ref<int>> set{a, b, a};
  EXPECT_EQ(set.size(), 2U);
  EXPECT_NE(a, b);
  EXPECT_FALSE(Ref<int>());
}

TEST(Refs, EmptyOnesAreRefusedWhereTheyAreUsed) {
  Ref<int> empty;
  const auto message = [](auto call) -> std::string {
    try {
      call();
    } catch (const manta::Error& error) {
      EXPECT_EQ(error.code(), manta::ErrorCode::invalid_argument);
      return error.what();
    }
    return "nothing thrown";
  };
  EXPECT_EQ(message([&] { (void)manta::get(empty); }),
            "an empty Ref was used: it was default-constructed or moved from");
  EXPECT_EQ(message([&] { (void)manta::remote<add>(1, empty); }),
            "argument 2 of a remote call is an empty Ref: it was default-constructed or moved from");
}

std::pair<bool, long> look_at(const manta::Buffer& buffer) {
  long total = 0;
  for (std::size_t i = 0; i < buffer.size_bytes; i += 4096) total += static_cast<long>(buffer.data[i]);
  return {in_store(buffer.data), total};
}

TEST(Refs, LargeBuffersAreReadInPlace) {
  const auto bytes = std::make_shared<std::vector<std::byte>>(4096 * 1000, std::byte{2});
  auto ref = manta::put(manta::Buffer{bytes->data(), bytes->size(), bytes});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(manta::get(manta::remote<look_at>(ref)), std::pair(true, 2000L));
  const manta::Buffer here = manta::get(ref);
  ref = {};
  EXPECT_TRUE(in_store(here.data));
  auto next = manta::put(manta::Buffer{bytes->data(), bytes->size(), bytes});  // must not lie where `here` still is
  (*bytes)[0] = std::byte{3};
  EXPECT_EQ(look_at(here), std::pair(true, 2000L));
  EXPECT_NE(manta::get(next).data, here.data);
}

TEST(Refs, PassedBetweenThreads) {
  std::vector<Ref<int>> refs;
  for (int i = 0; i < 100; ++i) refs.push_back(manta::remote<twice>(i));
  std::vector<std::thread> threads;
  std::atomic<long> total{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([refs, &total]() mutable {
      for (int round = 0; round < 50; ++round) {
        auto copy = refs;
        auto moved = std::move(copy);
        total += manta::get(moved[static_cast<std::size_t>(round)]);
      }
    });
  }
  refs.clear();
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(total, 4 * 2 * 49 * 50 / 2);
}

// --- parts of one result

std::tuple<int, std::string, Ints> three(int n) {
  return {n, std::string(static_cast<std::size_t>(n), 'x'), many(n, 7)};
}
std::pair<Ints, Ref<int>> pair_of(int n) { return {many(n, 3), manta::put(n)}; }
std::pair<int, int> no_pair() { throw std::runtime_error("there is none"); }

TEST(Refs, UnpackedFromOneResult) {
  auto [number, text, values] = manta::unpack(manta::remote<three>(100'000));
  static_assert(std::is_same_v<decltype(values), Ref<Ints>>);
  EXPECT_EQ(manta::get(manta::remote<sum>(values)), 700'000);
  EXPECT_EQ(manta::get(number), 100'000);
  EXPECT_EQ(manta::get(text).size(), 100'000U);
  auto [more, inner] = manta::unpack(manta::remote<pair_of>(10));
  EXPECT_EQ(manta::get(more), many(10, 3));
  EXPECT_EQ(manta::get(manta::get(inner)), 10);
  auto [first, second] = manta::unpack(manta::remote<no_pair>());
  for (const auto& part : {first, second}) {
    const auto result = manta::try_get(part);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), manta::ErrorCode::task_failed);
    EXPECT_NE(result.error().message().find("there is none"), std::string::npos) << result.error().message();
  }
}

}  // namespace
