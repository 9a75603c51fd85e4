#include "core/store/page_heap.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <vector>

namespace manta::store {
namespace {

constexpr std::uint64_t kPages = 300;

PageHeap::KeepWarm at_most(std::uint64_t limit) {
  return [limit](std::uint64_t pages) { return std::min(pages, limit); };
}

// A heap beside a plain account of every page.
struct Model {
  enum class Page { cold, warm, used };

  explicit Model(std::uint64_t warm_limit, bool can_release = true)
      : pages(kPages, Page::cold),
        heap(kPages, at_most(warm_limit), [this, can_release](std::uint64_t first, std::uint64_t count) {
          if (!can_release) return false;
          for (std::uint64_t page = first; page < first + count; ++page) {
            RC_ASSERT(pages.at(page) == Page::warm);
            pages[page] = Page::cold;
          }
          return true;
        }) {}

  bool has_run(std::uint64_t wanted) const {
    std::uint64_t length = 0;
    for (const Page page : pages) {
      length = page == Page::used ? 0 : length + 1;
      if (length == wanted) return true;
    }
    return false;
  }
  void allocate(std::uint64_t count, std::uint64_t alignment) {
    const auto first = heap.allocate(count, alignment);
    RC_ASSERT(first.has_value() == has_run(count));
    if (!first) return;
    if (has_run(count + alignment - 1)) RC_ASSERT(*first % alignment == 0);
    for (std::uint64_t page = *first; page < *first + count; ++page) {
      RC_ASSERT(pages.at(page) != Page::used);
      pages[page] = Page::used;
    }
    blocks.emplace_back(*first, count);
  }
  void free(std::size_t index, std::uint64_t touched) {
    const auto [first, count] = blocks[index];
    blocks[index] = blocks.back();
    blocks.pop_back();
    touched = std::min(touched, count);
    for (std::uint64_t i = 0; i < count; ++i) pages[first + i] = i < touched ? Page::warm : Page::cold;
    heap.free(first, count, touched);
  }
  std::uint64_t count(Page kind) const {
    return static_cast<std::uint64_t>(std::count(pages.begin(), pages.end(), kind));
  }

  std::vector<Page> pages;
  PageHeap heap;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> blocks;
};

RC_GTEST_PROP(PageHeapModel, Store3Store4RunsNeverOverlapMergeAndStayWarmUpToTheLimit, ()) {
  const auto limit = *rc::gen::inRange<std::uint64_t>(0, 100);
  Model model(limit);
  for (int step = *rc::gen::inRange(0, 200); step > 0; --step) {
    if (model.blocks.empty() || *rc::gen::inRange(0, 100) < 55) {
      model.allocate(*rc::gen::inRange<std::uint64_t>(1, 40), *rc::gen::element<std::uint64_t>(1, 1, 8, 32));
    } else {
      model.free(*rc::gen::inRange<std::size_t>(0, model.blocks.size()), *rc::gen::inRange<std::uint64_t>(0, 41));
    }
    RC_ASSERT(model.heap.warm_pages() == model.count(Model::Page::warm));
    RC_ASSERT(model.heap.warm_pages() <= limit);
    RC_ASSERT(model.heap.free_pages() == kPages - model.count(Model::Page::used));
  }
  while (!model.blocks.empty()) model.free(0, kPages);
  RC_ASSERT(model.heap.longest_run_pages() == kPages);
  RC_ASSERT(model.heap.warm_pages() == model.count(Model::Page::warm));
}

TEST(PageHeap, Store4WarmPagesAreGivenOutFirst) {
  PageHeap heap(100, at_most(100), [](auto, auto) { return true; });
  const auto a = *heap.allocate(10);
  const auto b = *heap.allocate(10);
  const auto c = *heap.allocate(10);
  EXPECT_EQ(heap.warm_pages(), 0u);
  heap.free(b, 10, 10);
  EXPECT_EQ(heap.warm_pages(), 10u);
  EXPECT_EQ(heap.allocate(4), b) << "the tail is cold";
  EXPECT_EQ(heap.warm_pages(), 6u);
  heap.free(c, 10, 5);  // joins the rest of b, and the tail
  EXPECT_EQ(heap.allocate(20), b + 4) << "grows out of the warm part";
  EXPECT_EQ(heap.warm_pages(), 0u);
  heap.free(a, 10, 10);
  EXPECT_EQ(heap.allocate(10), a);
}

TEST(PageHeap, Store4TheRunWithMostWarmPagesGoesBackFirst) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> released;
  PageHeap heap(1000, at_most(30), [&](std::uint64_t first, std::uint64_t pages) {
    released.emplace_back(first, pages);
    return true;
  });
  const auto small = *heap.allocate(10);
  (void)heap.allocate(1);
  const auto large = *heap.allocate(25);
  (void)heap.allocate(1);
  heap.free(small, 10, 10);
  EXPECT_TRUE(released.empty());
  heap.free(large, 25, 25);
  EXPECT_EQ(released, (std::vector<std::pair<std::uint64_t, std::uint64_t>>{{large + 20, 5}}));
  EXPECT_EQ(heap.warm_pages(), 30u);
}

TEST(PageHeap, Store4AKernelThatTakesNothingBackIsAskedOnce) {
  int asked = 0;
  PageHeap heap(100, at_most(5), [&](auto, auto) { return ++asked, false; });
  for (int i = 0; i < 3; ++i) heap.free(*heap.allocate(20), 20, 20);
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(heap.warm_pages(), 20u);
}

}  // namespace
}  // namespace manta::store
