#include "core/store/arena.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <thread>
#include <vector>

#include "core/net/shared_memory.h"
#include "core/store/block_allocator.h"

namespace manta::store {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

Fd duplicate(int fd) { return Fd(::fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

// A node with one arena; what a reader maps is what the node would send it.
struct Node {
  explicit Node(std::uint64_t capacity_bytes = 64 * kMiB, std::uint64_t warm_bytes = 256 * kMiB)
      : memory(create_arena_memory(capacity_bytes).value()),
        arena(Arena::open(duplicate(memory.get()), capacity_bytes, node, own, warm_bytes).value()) {}

  std::shared_ptr<const ArenaView> view() const { return ArenaView::open(arena->reader_memory().value()).value(); }
  std::uint64_t resident_bytes() const {
    struct stat status {};
    ::fstat(memory.get(), &status);
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
  }

  net::StoreCounters node;
  net::StoreCounters own;
  Fd memory;
  std::unique_ptr<Arena> arena;
};

std::string text(const std::byte* data, std::size_t size) { return {reinterpret_cast<const char*>(data), size}; }

TEST(Arena, AReaderSeesTheBytes) {
  Node node;
  const auto view = node.view();
  for (const std::uint64_t size : {5ull, 100ull, 5000ull, 300'000ull, 10'000'000ull}) {
    const Block block = node.arena->allocate(size).value();
    EXPECT_EQ(block.size_bytes, size);
    EXPECT_EQ(node.arena->at(block.offset), block.data);
    std::memset(block.data, 'x', size);
    std::memcpy(block.data + size - 5, "hello", 5);
    const std::byte* read = view->at(block.offset, size).value();
    EXPECT_EQ(text(read + size - 5, 5), "hello");
    EXPECT_EQ(std::memcmp(read, block.data, size), 0);
  }
}

TEST(Arena, Store3AReadersWriteStaysPrivateAndIsGoneAfterForget) {
  Node node;
  const auto view = node.view();
  const auto other = node.view();
  for (const std::uint64_t size : {3000ull, 20'000ull, 600'000ull}) {
    const Block before = node.arena->allocate(size).value();
    const Block block = node.arena->allocate(size).value();
    const Block after = node.arena->allocate(size).value();
    for (const Block& each : {before, block, after}) std::memset(each.data, 'a', size);
    auto* mine = const_cast<std::byte*>(view->at(block.offset, size).value());
    auto* neighbour = const_cast<std::byte*>(view->at(after.offset, size).value());
    std::memset(mine, 'b', size);
    std::memset(neighbour, 'n', size);
    EXPECT_EQ(text(block.data + size - 3, 3), "aaa");
    EXPECT_EQ(text(other->at(block.offset, size).value(), 3), "aaa");
    EXPECT_EQ(text(mine, 3), "bbb");
    view->forget(block.offset, size);
    EXPECT_EQ(text(mine, 3), "aaa");
    EXPECT_EQ(text(mine + size - 3, 3), "aaa");
    EXPECT_EQ(text(neighbour, 3), "nnn") << "whose view lives on";
    EXPECT_EQ(text(neighbour + size - 3, 3), "nnn");
    node.arena->free(block.offset);
    const Block next = node.arena->allocate(size).value();
    std::memset(next.data, 'c', size);
    EXPECT_EQ(text(view->at(next.offset, size).value(), 3), "ccc");
  }
}

TEST(Arena, AReaderCannotMapTheMemoryWritableAndShared) {
  Node node;
  const Fd fd = node.arena->reader_memory().value();
  EXPECT_FALSE(net::map_memory(fd.get(), kMiB, net::Mapping::shared).has_value());
  void* readable = ::mmap(nullptr, kMiB, PROT_READ, MAP_SHARED, fd.get(), 0);
  ASSERT_NE(readable, MAP_FAILED);
  EXPECT_NE(::mprotect(readable, kMiB, PROT_READ | PROT_WRITE), 0);
  ::munmap(readable, kMiB);
  EXPECT_LT(::pwrite(fd.get(), "x", 1, 0), 0);
}

TEST(Arena, TheSizeCannotBeChanged) {
  Node node;
  EXPECT_TRUE(node.arena->sealed());
  EXPECT_NE(::ftruncate(node.memory.get(), 0), 0);
  EXPECT_NE(::ftruncate(node.memory.get(), 1 << 30), 0);
  Fd small(::memfd_create("stubborn", MFD_CLOEXEC));  // comes with F_SEAL_SEAL, so that it can shrink for ever
  ASSERT_EQ(::ftruncate(small.get(), 4096), 0);
  EXPECT_EQ(ArenaView::open(std::move(small)).error().code(), ErrorCode::invalid_argument);
}

TEST(Arena, Store1HostileReferencesAreRefused) {
  Node node;
  const auto view = node.view();
  const std::uint64_t end = view->capacity_bytes();
  EXPECT_TRUE(view->at(end - 10, 10));
  EXPECT_TRUE(view->at(end, 0));
  EXPECT_EQ(view->at(end - 10, 11).error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(view->at(end + 1, 0).error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(view->at(64, ~std::uint64_t{0}).error().code(), ErrorCode::invalid_argument);
  EXPECT_EQ(view->at(~std::uint64_t{0}, 64).error().code(), ErrorCode::invalid_argument);
  view->forget(~std::uint64_t{0}, 5000);
  EXPECT_EQ(node.arena->size_of(~std::uint64_t{0}), 0u);
}

TEST(Arena, Store2AFullStoreSaysHowMuchIsInUse) {
  Node node(2 * kMiB);
  const Block block = node.arena->allocate(3 * kMiB / 2).value();
  const auto refused = node.arena->allocate(kMiB);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::exhausted);
  EXPECT_NE(
      refused.error().message().find("object of 1.0 MiB does not fit the store: capacity 2.0 MiB, 1.5 MiB in use"),
      std::string::npos)
      << refused.error().message();
  EXPECT_EQ(node.arena->allocate(~std::uint64_t{0}).error().code(), ErrorCode::exhausted);
  EXPECT_TRUE(node.arena->allocate(kMiB / 2)) << "to the last byte";
  EXPECT_EQ(node.arena->allocate(1).error().code(), ErrorCode::exhausted);
  node.arena->free(block.offset);
  EXPECT_TRUE(node.arena->allocate(kMiB));
}

TEST(Arena, Store2TheBudgetIsOneForAllClients) {
  Node node(4 * kMiB);
  net::StoreCounters others;
  auto other = Arena::open(create_arena_memory(4 * kMiB).value(), 4 * kMiB, node.node, others).value();
  const Block mine = node.arena->allocate(3 * kMiB).value();
  EXPECT_EQ(other->allocate(2 * kMiB).error().code(), ErrorCode::exhausted);
  EXPECT_TRUE(other->allocate(kMiB));
  EXPECT_EQ(node.node.used_bytes, 4 * kMiB);
  EXPECT_EQ(node.own.used_bytes, 3 * kMiB);
  EXPECT_EQ(others.used_bytes, kMiB);
  node.arena->free(mine.offset);
  EXPECT_TRUE(other->allocate(2 * kMiB));
  EXPECT_EQ(node.node.used_bytes, 3 * kMiB);
}

TEST(Arena, Store2SeveralClientsAtOnceNeverExceedTheBudget) {
  constexpr std::uint64_t kCapacity = 2 * kMiB;
  net::StoreCounters all;
  std::atomic<bool> exceeded{false};
  std::vector<std::thread> clients;
  for (int client = 0; client < 3; ++client) {
    clients.emplace_back([&, client] {
      net::StoreCounters own;
      auto arena = Arena::open(create_arena_memory(kCapacity).value(), kCapacity, all, own).value();
      std::vector<std::uint64_t> offsets;
      for (int i = 0; i < 5000; ++i) {
        const auto block = arena->allocate(static_cast<std::uint64_t>(100 + (i * 7919 * (client + 1)) % 200'000));
        if (all.used_bytes.load() > kCapacity) exceeded = true;
        if (block) offsets.push_back(block->offset);
        if (!block || offsets.size() > 20) {
          for (const std::uint64_t offset : offsets) arena->free(offset);
          offsets.clear();
        }
      }
      for (const std::uint64_t offset : offsets) arena->free(offset);
      EXPECT_EQ(own.used_bytes, 0u);
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_FALSE(exceeded);
  EXPECT_EQ(all.used_bytes, 0u);
}

RC_GTEST_PROP(ArenaModel, Store2Store3BlocksKeepTheirBytesAndTheBudgetIsExact, ()) {
  constexpr std::uint64_t kCapacity = 2 * kMiB;
  Node node(kCapacity, kMiB / 4);
  const auto view = node.view();
  std::map<std::uint64_t, std::pair<std::uint64_t, unsigned char>> live;  // offset: size, what it is filled with
  std::uint64_t booked = 0;
  for (int step = *rc::gen::inRange(0, 120); step > 0; --step) {
    if (live.empty() || *rc::gen::inRange(0, 100) < 60) {
      const auto size =
          *rc::gen::oneOf(rc::gen::inRange<std::uint64_t>(0, 5000), rc::gen::inRange<std::uint64_t>(0, 400'000));
      const auto block = node.arena->allocate(size);
      RC_ASSERT(block.has_value() || booked + size * 3 / 2 + 4096 > kCapacity);
      if (!block) continue;
      const auto fill = *rc::gen::arbitrary<unsigned char>();
      std::memset(block->data, fill, size);
      live[block->offset] = {size, fill};
      RC_ASSERT(node.arena->size_of(block->offset) >= size);
      booked += node.arena->size_of(block->offset);
    } else {
      const auto found = std::next(live.begin(), *rc::gen::inRange<std::ptrdiff_t>(0, std::ssize(live)));
      const auto [size, fill] = found->second;
      const std::byte* bytes = view->at(found->first, size).value();
      const auto is_fill = [fill = fill](std::byte byte) { return byte == std::byte{fill}; };
      RC_ASSERT(std::all_of(bytes, bytes + size, is_fill));
      booked -= node.arena->size_of(found->first);
      node.arena->free(found->first);
      live.erase(found);
    }
    RC_ASSERT(node.arena->used_bytes() == booked);
    RC_ASSERT(node.node.used_bytes == booked);
    RC_ASSERT(node.own.used_bytes == booked);
    RC_ASSERT(booked <= kCapacity);
  }
}

TEST(Arena, Store4FreedPagesStayWarmUpToTheBoundAndTheRestGoesBack) {
  constexpr std::uint64_t kWarm = 8 * kMiB;
  Node node(64 * kMiB, kWarm);
  const Block block = node.arena->allocate(32 * kMiB).value();
  std::memset(block.data, 1, 32 * kMiB);
  EXPECT_EQ(node.resident_bytes(), 32 * kMiB);
  node.arena->free(block.offset);
  EXPECT_EQ(node.resident_bytes(), kWarm + kOwnWarmBytes);
  const Block again = node.arena->allocate(kWarm).value();
  std::memset(again.data, 2, kWarm);
  EXPECT_EQ(node.resident_bytes(), kWarm + kOwnWarmBytes) << "in the warm ones";
}

TEST(Arena, Store4TheBoundIsOneForAllClients) {
  constexpr std::uint64_t kWarm = 8 * kMiB;
  Node node(64 * kMiB, kWarm);
  net::StoreCounters others;
  const Fd memory = create_arena_memory(64 * kMiB).value();
  auto other = Arena::open(duplicate(memory.get()), 64 * kMiB, node.node, others, kWarm).value();
  const auto churn = [](Arena& arena, std::uint64_t size) {
    const Block block = arena.allocate(size).value();
    std::memset(block.data, 1, size);
    arena.free(block.offset);
  };
  churn(*node.arena, 5 * kMiB + kOwnWarmBytes);
  EXPECT_EQ(node.own.warm_bytes, 5 * kMiB);
  churn(*other, 20 * kMiB);
  EXPECT_EQ(others.warm_bytes, 3 * kMiB) << "what the first one left";
  EXPECT_EQ(node.node.warm_bytes, kWarm);
  const Block block = node.arena->allocate(4 * kMiB).value();
  EXPECT_EQ(node.node.warm_bytes, 4 * kMiB) << "what is used again is not kept any more";
  churn(*other, 20 * kMiB);
  EXPECT_EQ(others.warm_bytes, 7 * kMiB);
  node.arena->free(block.offset);
  EXPECT_EQ(node.node.warm_bytes, kWarm);
}

// What the kernel says of huge pages in the mapping that holds the address.
std::uint64_t huge_bytes_at(const void* address) {
  std::ifstream maps("/proc/self/smaps");
  bool here = false;
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0, end = 0, kib = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) {
      const auto at = reinterpret_cast<std::uintptr_t>(address);
      here = begin <= at && at < end;
    }
    if (here && std::sscanf(line.c_str(), "ShmemPmdMapped: %lu", &kib) == 1) return kib << 10;
  }
  return 0;
}

TEST(Arena, Store5LargeBlocksAreHugePagesForWriterAndReaders) {
  Node node(256 * kMiB, 32 * kMiB);
  (void)node.arena->allocate(3 * kMiB).value();
  const Block block = node.arena->allocate(21 * kMiB).value();
  EXPECT_EQ(block.offset % kHugePageBytes, 0u);
  node.arena->prepare(block);
  std::memset(block.data, 7, block.size_bytes);
  if (huge_bytes_at(block.data) == 0) GTEST_SKIP() << "this kernel makes none";
  EXPECT_EQ(huge_bytes_at(block.data), 20 * kMiB);
  EXPECT_EQ(node.resident_bytes(), 21 * kMiB) << "none reaches beyond the block";
  const auto view = node.view();
  const std::byte* read = view->at(block.offset, block.size_bytes).value();
  const auto is_seven = [](std::byte byte) { return byte == std::byte{7}; };
  EXPECT_TRUE(std::all_of(read, read + block.size_bytes, is_seven));
  EXPECT_EQ(huge_bytes_at(read), 20 * kMiB);
  // A reader's own write copies small pages, and a block that is freed and cut up goes on to work.
  const_cast<std::byte*>(read)[5 * kMiB] = std::byte{1};
  EXPECT_EQ(block.data[5 * kMiB], std::byte{7});
  view->forget(block.offset, block.size_bytes);
  node.arena->free(block.offset);
  std::vector<Block> blocks;
  for (int i = 0; i < 30; ++i) {
    blocks.push_back(node.arena->allocate(700'000).value());
    node.arena->prepare(blocks.back());
    std::memset(blocks.back().data, i, 700'000);
  }
  for (int i = 0; i < 30; ++i) {
    const std::byte* bytes = view->at(blocks[static_cast<std::size_t>(i)].offset, 700'000).value();
    EXPECT_TRUE(std::all_of(bytes, bytes + 700'000, [i](std::byte b) { return b == static_cast<std::byte>(i); }));
  }
}

TEST(Arena, Store4MemoryIsTakenOnlyAsItIsUsed) {
  Node node(std::uint64_t{64} << 30);
  EXPECT_EQ(node.resident_bytes(), 0u);
  const Block block = node.arena->allocate(std::uint64_t{20} << 30).value();
  block.data[block.size_bytes - 1] = std::byte{1};
  EXPECT_EQ(node.resident_bytes(), 4096u);
}

TEST(Arena, BlocksOfADeadClientStayReadable) {
  Node node;
  const pid_t child = ::fork();
  if (child == 0) {
    const auto block = node.arena->allocate(10'000);
    std::memcpy(block->data, "legacy", 6);
    ::_exit(block->offset == 0 ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
  EXPECT_EQ(text(node.view()->at(0, 10'000).value(), 6), "legacy");
}

#ifndef NDEBUG
TEST(ArenaDeathTest, Store1AnUnknownOffsetIsABugOfOurs) {
  Node node;
  EXPECT_DEATH(node.arena->free(64), "no live block");
}
#else
TEST(Arena, Store1AnUnknownOffsetIsIgnored) {
  Node node;
  node.arena->free(64);
  EXPECT_EQ(node.node.used_bytes, 0u);
}
#endif

}  // namespace
}  // namespace manta::store
