// A store of 64 MiB that is asked for four times as much: what is not in use goes to disk and comes back.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <manta/manta.h>
#include <manta/testing.h>

#include "tests/e2e/outside.h"
#include "tests/e2e/session.h"

namespace {

using namespace std::chrono_literals;
using manta::Error;
using manta::ErrorCode;
using manta::Ref;
using Words = std::vector<std::uint64_t>;

constexpr std::size_t kMiB = 1 << 20;
constexpr std::size_t kCapacity = 64 * kMiB;
constexpr std::size_t kObject = 4 * kMiB;
constexpr int kMany = 4 * kCapacity / kObject;
constexpr manta::InitOptions kOptions{.num_cpus = 2, .num_gpus = 0, .store_capacity_bytes = kCapacity};

// Every word is another in every object.
Words make(int number, std::size_t bytes) {
  Words words(bytes / sizeof(std::uint64_t));
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = (static_cast<std::uint64_t>(number) << 32) + i;
  return words;
}
int number_if_intact(const Words& words) {
  const auto number = static_cast<int>(words.at(0) >> 32);
  return words == make(number, words.size() * sizeof(std::uint64_t)) ? number : -1;
}
Words next(const Words& words) { return make(number_if_intact(words) + 1, words.size() * sizeof(std::uint64_t)); }

std::vector<Ref<Words>> put_many(int count = kMany) {
  std::vector<Ref<Words>> refs;
  for (int i = 0; i < count; ++i) refs.push_back(manta::put(make(i, kObject)));
  return refs;
}
void expect_intact(const std::vector<Ref<Words>>& refs, const std::vector<int>& order) {
  for (const int i : order) ASSERT_EQ(number_if_intact(manta::get(refs[static_cast<std::size_t>(i)])), i);
}
std::vector<int> in_order(int count = kMany) {
  std::vector<int> order(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) order[static_cast<std::size_t>(i)] = i;
  return order;
}

TEST(Spill, FourTimesTheCapacityPutAndReadInAnyOrder) {
  const auto refs = put_many();
  std::vector<int> order = in_order();
  expect_intact(refs, order);
  std::reverse(order.begin(), order.end());
  expect_intact(refs, order);
  std::shuffle(order.begin(), order.end(), std::mt19937(7));
  expect_intact(refs, order);
}

TEST(Spill, FourTimesTheCapacityOfResults) {
  std::vector<Ref<Words>> refs;
  for (int i = 0; i < kMany; ++i) refs.push_back(manta::remote<make>(i, kObject));
  expect_intact(refs, in_order());
}

TEST(Spill, SpilledArguments) {
  const auto refs = put_many();
  std::vector<Ref<int>> numbers;
  for (const auto& ref : refs) numbers.push_back(manta::remote<number_if_intact>(ref));
  for (int i = 0; i < kMany; ++i) EXPECT_EQ(manta::get(numbers[static_cast<std::size_t>(i)]), i);
}

TEST(Spill, ChainsOfTasks) {
  std::vector<Ref<Words>> refs = put_many(24);
  for (int step = 0; step < 3; ++step) {
    for (auto& ref : refs) ref = manta::remote<next>(ref);
  }
  for (int i = 0; i < 24; ++i) EXPECT_EQ(number_if_intact(manta::get(refs[static_cast<std::size_t>(i)])), i + 3);
}

struct Shelf {
  std::vector<Ref<Words>> books;
  Words label;
};
long read_all(const Shelf& shelf) {
  long total = number_if_intact(shelf.label);
  for (const auto& book : shelf.books) total += number_if_intact(manta::get(book));
  return total;
}

// A task asks for references inside of objects one after the other; their owner brings each back.
TEST(Spill, ReferencesInsideOfObjects) {
  std::vector<Ref<Shelf>> shelves;
  for (int i = 0; i < 6; ++i) shelves.push_back(manta::put(Shelf{put_many(8), make(100 + i, kObject)}));
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(manta::get(manta::remote<read_all>(shelves[static_cast<std::size_t>(i)])), 100 + i + 28);
  }
  EXPECT_EQ(read_all(manta::get(shelves[2])), 102 + 28);
}

// What a worker owns goes to the worker's file.
int churn_in_a_task(int count) {
  const auto refs = put_many(count);
  for (int i = count; i-- > 0;) {
    if (number_if_intact(manta::get(refs[static_cast<std::size_t>(i)])) != i) return i + 1;
  }
  return 0;
}
TEST(Spill, ATaskThatPutsFourTimesTheCapacity) {
  const auto ours = put_many(20);
  EXPECT_EQ(manta::get(manta::remote<churn_in_a_task>(kMany)), 0);
  expect_intact(ours, in_order(20));
}

TEST(Spill, SeveralProcessesAtOnce) {
  const auto ours = put_many(20);
  std::vector<Ref<int>> tasks;
  for (int i = 0; i < 4; ++i) tasks.push_back(manta::remote<churn_in_a_task>(24));
  std::thread other([] {
    const auto refs = put_many(24);
    expect_intact(refs, in_order(24));
  });
  expect_intact(ours, in_order(20));
  for (auto& task : tasks) EXPECT_EQ(manta::get(task), 0);
  other.join();
}

manta::Buffer bytes_of(std::size_t size, int with) {
  const auto bytes = std::make_shared<std::vector<std::byte>>(size, static_cast<std::byte>(with));
  return {bytes->data(), bytes->size(), bytes};
}
bool all_are(const manta::Buffer& buffer, int value) {
  const auto right = [&](std::byte b) { return b == static_cast<std::byte>(value); };
  return std::all_of(buffer.data, buffer.data + buffer.size_bytes, right);
}
bool stays_readable(const manta::Buffer& buffer) {
  (void)churn_in_a_task(24);
  return all_are(buffer, 5);
}

TEST(Spill, AViewIsNotDisturbed) {
  const auto ref = manta::put(bytes_of(8 * kMiB, 3));
  const auto borrowed = manta::put(bytes_of(8 * kMiB, 5));
  const manta::Buffer view = manta::get(ref);
  auto reader = manta::remote<stays_readable>(borrowed);
  const auto refs = put_many();
  EXPECT_EQ(manta::get(ref).data, view.data) << "it has not moved";
  EXPECT_TRUE(all_are(view, 3));
  expect_intact(refs, in_order());
  EXPECT_TRUE(all_are(view, 3));
  EXPECT_TRUE(manta::get(reader));
}

template <class F>
Error error_of(F call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorCode::internal, "nothing thrown");
}

TEST(Spill, ViewsOfEverythingLeaveNothingToSpill) {
  std::vector<manta::Buffer> views;
  const Error error = error_of([&] {
    for (int i = 0; i < 20; ++i) views.push_back(manta::get(manta::put(bytes_of(kObject, i))));
  });
  EXPECT_EQ(error.code(), ErrorCode::exhausted);
  EXPECT_NE(std::string(error.what()).find("object of 4.0 MiB does not fit the store: capacity 64.0 MiB"),
            std::string::npos)
      << error.what();
  EXPECT_NE(std::string(error.what()).find("cannot be spilled"), std::string::npos) << error.what();
  EXPECT_EQ(views.size(), 15U);
  for (int i = 0; i < 15; ++i) EXPECT_TRUE(all_are(views[static_cast<std::size_t>(i)], i));
  views.clear();
  EXPECT_EQ(number_if_intact(manta::get(manta::put(make(1, kObject)))), 1);
}

TEST(Spill, AnObjectLargerThanTheStoreIsRefusedAtOnce) {
  const auto refs = put_many(12);
  const auto start = std::chrono::steady_clock::now();
  const Error error = error_of([] { (void)manta::put(make(1, kCapacity + kMiB)); });
  EXPECT_LT(std::chrono::steady_clock::now() - start, 2s * manta::e2e::slowness());
  EXPECT_EQ(error.code(), ErrorCode::exhausted) << error.what();
  EXPECT_NE(std::string(error.what()).find("object of 65.0 MiB does not fit the store: capacity 64.0 MiB"),
            std::string::npos)
      << error.what();
  expect_intact(refs, in_order(12));
}

// A full disk, as a limit on the size of files plays it.
TEST(Spill, AFullDiskIsAClearErrorAndNothingIsLost) {
  const std::string directory = std::filesystem::temp_directory_path().string();
  manta::InitOptions options = kOptions;
  options.spill_directory = directory;
  manta::testing::runtime().shutdown();
  manta::testing::runtime() = manta::init(0, nullptr, options);
  rlimit before = {};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit less = {16 * kMiB, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &less), 0);
  std::vector<Ref<Words>> refs;
  const Error error = error_of([&] {
    for (int i = 0; i < kMany; ++i) refs.push_back(manta::put(make(i, kObject)));
  });
  EXPECT_EQ(error.code(), ErrorCode::exhausted) << error.what();
  const std::string what = error.what();
  EXPECT_NE(what.find("objects cannot be spilled to " + directory), std::string::npos) << what;
  EXPECT_NE(what.find("File too large; choose another directory with InitOptions::spill_directory"), std::string::npos)
      << what;
  EXPECT_EQ(refs.size(), 18U) << "15 in the store and 3 in the file: each is a little larger than 4 MiB";
  refs.pop_back();
  refs.erase(refs.begin() + 6);
  refs.push_back(manta::put(make(18, kObject)));
  for (std::size_t i = 0; i < refs.size(); ++i) {
    EXPECT_EQ(number_if_intact(manta::get(refs[i])), static_cast<int>(i < 6 ? i : i < 16 ? i + 1 : i + 2));
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
}

TEST(Spill, AFolderThatCannotBeUsedIsNamedAtTheStart) {
  manta::testing::runtime().shutdown();
  for (const std::string directory : {"/nonexistent/spill", "/dev/null", "/proc"}) {
    manta::InitOptions options = kOptions;
    options.spill_directory = directory;
    const Error error = error_of([&] { const manta::Runtime runtime = manta::init(0, nullptr, options); });
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument) << directory;
    EXPECT_NE(std::string(error.what()).find("can be made in " + directory + ": "), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("InitOptions::spill_directory"), std::string::npos) << error.what();
  }
  manta::testing::runtime() = manta::init(0, nullptr, kOptions);
}

TEST(Spill, ObjectsOutliveTheRuntimeInTheFile) {
  std::vector<Ref<Words>> refs = put_many(24);
  manta::testing::runtime().shutdown();
  expect_intact(refs, in_order(24));
  manta::testing::runtime() = manta::init(0, nullptr, kOptions);
}

// The program that is killed while it has spilled objects; its TMPDIR is a folder of its own.
int victim(int argc, char** argv) {
  const manta::Runtime runtime = manta::init(argc, argv, kOptions);
  const auto refs = put_many();
  const auto results = manta::remote<churn_in_a_task>(24);
  manta::e2e::outside()[0] = 1;
  (void)manta::get(results);
  manta::e2e::outside()[0] = 2;
  std::this_thread::sleep_for(60s);
  return 0;
}

TEST(Spill, NothingStaysBehindAKilledDriver) {
  for (const int moment : {1, 2}) {
    manta::e2e::outside().clear();
    manta::e2e::Session session({"--victim"});
    ASSERT_TRUE(manta::e2e::await_cell(0, moment, 60s));
    session.look();
    ::kill(session.driver(), SIGKILL);
    EXPECT_TRUE(session.driver_ends(20s));
    for (const std::string& line : session.left(20s)) ADD_FAILURE() << line;
  }
}

}  // namespace

int main(int argc, char** argv) {
  manta::e2e::prepare_outside();
  if (argc > 1 && std::strcmp(argv[1], "--victim") == 0) return victim(argc, argv);
  return manta::testing::main(argc, argv, kOptions);
}
