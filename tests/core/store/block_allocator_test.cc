#include "core/store/block_allocator.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <random>

namespace manta::store {
namespace {

constexpr std::uint64_t kSize = 64 << 20;

TEST(BlockAllocator, SizesAreRoundedToClassesAndPages) {
  EXPECT_EQ(BlockAllocator::rounded(0), 64u);
  EXPECT_EQ(BlockAllocator::rounded(64), 64u);
  EXPECT_EQ(BlockAllocator::rounded(65), 128u);
  EXPECT_EQ(BlockAllocator::rounded(513), 640u);
  EXPECT_EQ(BlockAllocator::rounded(kSharedPageBytes), kSharedPageBytes);
  EXPECT_EQ(BlockAllocator::rounded(kSharedPageBytes + 1), 4096u);
  EXPECT_EQ(BlockAllocator::rounded(kSlabBlockBytes), kSlabBlockBytes);
  EXPECT_EQ(BlockAllocator::rounded(kSlabBlockBytes + 1), kSlabBlockBytes + 4096);
  for (std::uint64_t size = 1; size < 2 * kSlabBlockBytes; size += 13) {
    const std::uint64_t rounded = BlockAllocator::rounded(size);
    EXPECT_GE(rounded, size);
    EXPECT_EQ(rounded % 64, 0u);
    EXPECT_LE(rounded, std::max<std::uint64_t>({64, size * 3 / 2, (size + 4095) / 4096 * 4096})) << "little is wasted";
    EXPECT_EQ(BlockAllocator::rounded(rounded), rounded);
  }
}

// Small ones mostly, some of the edges of classes, some large.
rc::Gen<std::uint64_t> any_size() {
  return rc::gen::oneOf(rc::gen::inRange<std::uint64_t>(0, 300), rc::gen::inRange<std::uint64_t>(1000, 9000),
                        rc::gen::inRange<std::uint64_t>(kSlabBlockBytes - 2, kSlabBlockBytes + 3),
                        rc::gen::inRange<std::uint64_t>(0, 3 << 20));
}

RC_GTEST_PROP(BlockAllocatorModel, Store3BlocksAreAlignedApartAndFreeRestoresAll, ()) {
  BlockAllocator blocks(
      kSize, [](std::uint64_t pages) { return pages; }, [](auto, auto) { return true; });
  std::map<std::uint64_t, std::uint64_t> live;  // offset: rounded size
  for (int step = *rc::gen::inRange(0, 300); step > 0; --step) {
    if (live.empty() || *rc::gen::inRange(0, 100) < 60) {
      const auto size = *any_size();
      const auto offset = blocks.allocate(size);
      if (!offset) continue;
      const std::uint64_t rounded = BlockAllocator::rounded(size);
      RC_ASSERT(*offset % 64 == 0u);
      RC_ASSERT(*offset + rounded <= kSize);
      if (rounded > kSharedPageBytes) RC_ASSERT(*offset % kPageBytes == 0u);
      const auto next = live.lower_bound(*offset);
      if (next != live.end()) RC_ASSERT(*offset + rounded <= next->first);
      if (next != live.begin()) RC_ASSERT(std::prev(next)->first + std::prev(next)->second <= *offset);
      RC_ASSERT(blocks.size_of(*offset) == rounded);
      live.emplace(*offset, rounded);
    } else {
      const auto found = std::next(live.begin(), *rc::gen::inRange<std::ptrdiff_t>(0, std::ssize(live)));
      RC_ASSERT(blocks.free(found->first) == found->second);
      RC_ASSERT(blocks.free(found->first) == 0u);
      live.erase(found);
    }
    const auto unknown = *rc::gen::inRange<std::uint64_t>(0, 2 * kSize);
    if (!live.contains(unknown)) RC_ASSERT(blocks.size_of(unknown) == 0u);
  }
  for (const auto& [offset, rounded] : live) RC_ASSERT(blocks.free(offset) == rounded);
  // What stays is at most one empty slab of each class, 14 MiB in all.
  RC_ASSERT(blocks.pages().free_pages() * kPageBytes >= kSize - (14 << 20));
}

TEST(BlockAllocator, SlabsGoBackToThePagesWhenTheyAreEmpty) {
  BlockAllocator blocks(
      kSize, [](std::uint64_t pages) { return pages; }, [](auto, auto) { return true; });
  std::vector<std::uint64_t> offsets;
  while (const auto offset = blocks.allocate(100)) offsets.push_back(*offset);
  EXPECT_EQ(offsets.size(), kSize / 128);
  EXPECT_FALSE(blocks.allocate(1'000'000));
  std::shuffle(offsets.begin(), offsets.end(), std::mt19937_64(1));
  for (const std::uint64_t offset : offsets) EXPECT_EQ(blocks.free(offset), 128u);
  EXPECT_GE(blocks.pages().longest_run_pages() * kPageBytes, kSize / 2 - (64 << 10)) << "one slab is kept";
}

TEST(BlockAllocator, TheLastPagesServeSmallBlocksToo) {
  BlockAllocator blocks(
      3 * kPageBytes, [](auto) { return 0; }, [](auto, auto) { return true; });
  std::map<std::uint64_t, int> offsets;
  while (const auto offset = blocks.allocate(100)) ++offsets[*offset];
  EXPECT_EQ(offsets.size(), 3u) << "no slab fits, so each takes a page";
  for (const auto& [offset, count] : offsets) {
    EXPECT_EQ(count, 1);
    EXPECT_EQ(blocks.free(offset), 128u) << "booked as any other";
  }
  EXPECT_EQ(blocks.pages().free_pages(), 3u);
}

}  // namespace
}  // namespace manta::store
