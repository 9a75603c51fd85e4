// What blocks of an arena cost: nanoseconds for one allocation and one free. JSON lines; a warm-up, then the median of
// five runs. The peer is malloc, doing the same.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#include "core/store/arena.h"

namespace manta::store {
namespace {

using Clock = std::chrono::steady_clock;

void measure(const char* name, std::uint64_t size_bytes, std::uint64_t count, const std::function<void()>& run) {
  std::vector<double> nanoseconds;
  for (int i = 0; i < 6; ++i) {
    const auto begin = Clock::now();
    run();
    const std::chrono::duration<double, std::nano> took = Clock::now() - begin;
    if (i > 0) nanoseconds.push_back(took.count() / static_cast<double>(count));
  }
  std::sort(nanoseconds.begin(), nanoseconds.end());
  std::printf(
      "{\"bench\": \"%s\", \"bytes\": %lu, \"ns\": %.1f, \"min\": %.1f, \"max\": %.1f, \"GB_per_second\": %.2f}\n",
      name, size_bytes, nanoseconds[2], nanoseconds.front(), nanoseconds.back(),
      static_cast<double>(size_bytes) / nanoseconds[2]);
}

void measure_blocks(Arena& arena, std::uint64_t size_bytes) {
  constexpr std::uint64_t kBlocks = 100;
  constexpr std::uint64_t kTimes = 1000;
  std::vector<std::uint64_t> offsets(kBlocks);
  measure("arena, 100 blocks made, then freed", size_bytes, kBlocks * kTimes, [&] {
    for (std::uint64_t i = 0; i < kTimes; ++i) {
      for (auto& offset : offsets) offset = arena.allocate(size_bytes)->offset;
      for (const auto offset : offsets) arena.free(offset);
    }
  });
  std::vector<void*> pointers(kBlocks);
  measure("malloc, 100 blocks made, then freed", size_bytes, kBlocks * kTimes, [&] {
    for (std::uint64_t i = 0; i < kTimes; ++i) {
      for (auto& pointer : pointers) {
        pointer = std::malloc(size_bytes);
        asm volatile("" : : "r"(pointer) : "memory");
      }
      for (auto* pointer : pointers) std::free(pointer);
    }
  });
}

}  // namespace
}  // namespace manta::store

int main() {
  using namespace manta::store;
  constexpr std::uint64_t kCapacity = std::uint64_t{2} << 30;
  manta::net::StoreCounters node, own;
  auto arena = Arena::open(create_arena_memory(kCapacity).value(), kCapacity, node, own).value();
  for (const std::uint64_t size_bytes : {64ull, 1000ull, 10'000ull, 200'000ull, 1'000'000ull}) {
    measure_blocks(*arena, size_bytes);
  }
  constexpr std::uint64_t kLarge = 64 << 20;
  const std::vector<std::byte> source(kLarge, std::byte{1});
  const auto fill = [&] {
    const auto block = arena->allocate(kLarge).value();
    arena->prepare(block);
    std::memcpy(block.data, source.data(), kLarge);
    return block.offset;
  };
  measure("copied into a warm block", kLarge, 1, [&] { arena->free(fill()); });
  std::vector<std::uint64_t> held;
  measure("copied into a fresh block", kLarge, 1, [&] { held.push_back(fill()); });
  for (const auto offset : held) arena->free(offset);
}
