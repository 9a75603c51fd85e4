// A store of 32 MiB: what does not fit is refused clearly, and there is space again once references are dropped.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <manta/manta.h>
#include <manta/testing.h>

#include "tests/e2e/outside.h"

namespace {

using namespace std::chrono_literals;
using manta::Error;
using manta::ErrorCode;
using manta::Ref;
using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kMiB = 1 << 20;

Bytes make(std::size_t size, int value) { return Bytes(size, static_cast<std::uint8_t>(value)); }
std::size_t length(const Bytes& bytes) { return bytes.size(); }
long sum(const Bytes& bytes) {
  long total = 0;
  for (const auto b : bytes) total += b;
  return total;
}
Bytes plus_one(Bytes bytes) {
  for (auto& b : bytes) ++b;
  return bytes;
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

// Frees travel from process to process: space appears a moment after the last reference went.
template <class F>
auto soon(F call) {
  const auto limit = std::chrono::steady_clock::now() + 5s * manta::e2e::slowness();
  for (;;) {
    try {
      return call();
    } catch (const Error& error) {
      if (error.code() != ErrorCode::exhausted || std::chrono::steady_clock::now() > limit) throw;
    }
    std::this_thread::sleep_for(1ms);
  }
}

TEST(Store, ObjectLargerThanTheStore) {
  const Error error = error_of([] { (void)manta::put(make(40 * kMiB, 1)); });
  EXPECT_EQ(error.code(), ErrorCode::exhausted) << error.what();
  EXPECT_EQ(std::string(error.what()).find("object of 40.0 MiB does not fit the store: capacity 32.0 MiB, "), 0U)
      << error.what();
  EXPECT_NE(std::string(error.what()).find("drop references to objects, or raise InitOptions::store_capacity_bytes"),
            std::string::npos)
      << error.what();
  EXPECT_EQ(manta::get(manta::remote<length>(make(kMiB, 1))), kMiB) << "and all goes on";
}

TEST(Store, FullOfWhatIsStillReferredTo) {
  std::vector<Ref<Bytes>> kept;
  const Error error = error_of([&] {
    for (int i = 0; i < 20; ++i) kept.push_back(manta::put(make(5 * kMiB, i)));
  });
  EXPECT_EQ(error.code(), ErrorCode::exhausted) << error.what();
  EXPECT_EQ(kept.size(), 6U);
  EXPECT_NE(std::string(error.what()).find("object of 5.0 MiB does not fit the store"), std::string::npos)
      << error.what();
  for (int i = 0; i < 6; ++i) EXPECT_EQ(manta::get(kept[static_cast<std::size_t>(i)])[7], i) << "what is there stays";
  kept.pop_back();
  kept.push_back(manta::put(make(5 * kMiB, 77)));
  EXPECT_EQ(manta::get(kept.back())[100], 77);
}

TEST(Store, ArgumentThatDoesNotFit) {
  const Error error = error_of([] { (void)manta::remote<length>(make(33 * kMiB, 1)); });
  EXPECT_EQ(error.code(), ErrorCode::exhausted) << error.what();
}

TEST(Store, ResultThatDoesNotFit) {
  auto big = manta::remote<make>(40 * kMiB, 1);
  const Error error = error_of([&] { (void)manta::get(big); });
  EXPECT_EQ(error.code(), ErrorCode::exhausted) << error.what();
  EXPECT_NE(std::string(error.what()).find("does not fit the store"), std::string::npos) << error.what();
  EXPECT_EQ(error_of([&] { (void)manta::get(manta::remote<length>(big)); }).code(), ErrorCode::exhausted);
  EXPECT_EQ(manta::get(manta::remote<length>(manta::remote<make>(kMiB, 1))), kMiB);
}

TEST(Store, FullOfResultsAndFreeAgain) {
  std::vector<Ref<Bytes>> kept;
  for (int i = 0; i < 12; ++i) kept.push_back(manta::remote<make>(4 * kMiB, i));
  int failed = 0;
  for (auto& ref : kept) {
    auto value = manta::try_get(ref);
    if (value) continue;
    ++failed;
    EXPECT_EQ(value.error().code(), ErrorCode::exhausted) << value.error().what();
  }
  EXPECT_GE(failed, 4);
  EXPECT_LE(failed, 6);
  kept.clear();
  EXPECT_EQ(soon([] { return manta::get(manta::remote<length>(manta::remote<make>(20 * kMiB, 1))); }), 20 * kMiB);
}

// 2,000 times what fits, in turn: everything is freed as it goes.
TEST(Store, ChurnOfPutObjects) {
  for (int i = 0; i < 200; ++i) {
    auto ref = manta::put(make(8 * kMiB, i % 7));
    if (i % 20 == 0) {
      EXPECT_EQ(manta::get(manta::remote<length>(ref)), 8 * kMiB);
    }
  }
}

TEST(Store, ChurnOfResults) {
  for (int i = 0; i < 150; ++i) {
    soon([&] {
      auto ref = manta::remote<make>(6 * kMiB, 1);
      auto next = manta::remote<plus_one>(ref);
      EXPECT_EQ(manta::get(next)[5], 2);
    });
  }
}

TEST(Store, ChurnOfArguments) {
  const Bytes bytes = make(3 * kMiB, 2);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(soon([&] { return manta::get(manta::remote<length>(bytes)); }), 3 * kMiB);
}

// Middle-sized ones: results that travel in blocks, thousands in flight.
TEST(Store, ChurnOfManySmallBlocks) {
  for (int round = 0; round < 4; ++round) {
    std::vector<Ref<Bytes>> refs;
    for (int i = 0; i < 1000; ++i) refs.push_back(manta::remote<plus_one>(make(2'000, i % 200)));
    for (int i = 0; i < 1000; ++i) {
      const Bytes value = manta::get(refs[static_cast<std::size_t>(i)]);
      ASSERT_EQ(value.size(), 2'000U);
      ASSERT_EQ(value[i], (i % 200) + 1);
    }
  }
}

// A dead worker's objects stay readable for the processes that refer to them; then their memory is free again.
int die() { std::_Exit(5); }

TEST(Store, DeadWorkersGiveTheirSpaceBack) {
  for (int i = 0; i < 12; ++i) {
    soon([&] {
      auto result = manta::remote<make>(4 * kMiB, 3);
      EXPECT_EQ(manta::get(manta::remote<sum>(result)), 3L * 4 * static_cast<long>(kMiB));
      std::vector<Ref<int>> deaths;
      for (int n = 0; n < 2; ++n) deaths.push_back(manta::remote<die>.options({.max_retries = 0})());
      for (auto& death : deaths) EXPECT_EQ(manta::try_get(death).error().code(), ErrorCode::worker_died);
      EXPECT_EQ(manta::get(result)[1], 3) << "the maker is gone, its object is not";
      EXPECT_EQ(manta::get(manta::remote<length>(result)), 4 * kMiB);
    });
  }
}

// --- made in place

std::size_t count_of(const manta::Buffer& buffer, int value) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < buffer.size_bytes; ++i) count += buffer.data[i] == static_cast<std::byte>(value);
  return count;
}

TEST(Store, MadeInPlace) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{4095}, std::size_t{4096}, 5 * kMiB + 1}) {
    manta::UniqueBuffer buffer = manta::create_buffer(size);
    ASSERT_EQ(buffer.bytes().size(), size);
    std::fill(buffer.bytes().begin(), buffer.bytes().end(), std::byte{6});
    const Ref<manta::Buffer> ref = manta::put(std::move(buffer));
    EXPECT_EQ(manta::get(ref).size_bytes, size);
    EXPECT_EQ(count_of(manta::get(ref), 6), size);
    EXPECT_EQ(manta::get(manta::remote<count_of>(ref, 6)), size);
  }
}

TEST(Store, MadeInPlaceAndNotPut) {
  for (int i = 0; i < 20; ++i) {
    manta::UniqueBuffer buffer = manta::create_buffer(20 * kMiB);
    buffer.bytes()[7] = std::byte{1};
    if (i % 2 == 1) buffer = manta::create_buffer(5 * kMiB);
  }
  manta::UniqueBuffer held = manta::create_buffer(30 * kMiB);
  EXPECT_EQ(error_of([] { (void)manta::create_buffer(5 * kMiB); }).code(), ErrorCode::exhausted);
  manta::UniqueBuffer moved = std::move(held);
  EXPECT_EQ(error_of([&] { (void)manta::put(std::move(held)); }).code(), ErrorCode::invalid_argument);
  EXPECT_EQ(error_of([&] { (void)manta::put(manta::UniqueBuffer()); }).code(), ErrorCode::invalid_argument);
}

// Writes to its private copy, which does not change the object.
long scribble(Bytes bytes) {
  for (auto& b : bytes) b = 9;
  return sum(bytes);
}

TEST(Store, ReadersCannotChangeAnObject) {
  auto ref = manta::put(make(kMiB, 1));
  const long mib = static_cast<long>(kMiB);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(manta::get(manta::remote<scribble>(ref)), 9 * mib);
    EXPECT_EQ(manta::get(manta::remote<sum>(ref)), mib);
  }
  EXPECT_EQ(sum(manta::get(ref)), mib);
}

}  // namespace

int main(int argc, char** argv) {
  manta::e2e::prepare_outside();
  return manta::testing::main(
      argc, argv, {.num_cpus = 2, .num_gpus = 0, .store_capacity_bytes = 32 << 20, .spill_directory = "none"});
}
