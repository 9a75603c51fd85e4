#include "core/store/page_heap.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <new>

namespace manta::store {

namespace {

constexpr int kFitsTried = 16;

// The bits of a word for the pages from `page` on, at most up to `end`; page moves on.
std::uint64_t next_mask(std::uint64_t& page, std::uint64_t end) {
  const std::uint64_t bit = page % 64;
  const std::uint64_t count = std::min<std::uint64_t>(64 - bit, end - page);
  page += count;
  return (count == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1) << bit;
}

}  // namespace

PageHeap::PageHeap(std::uint64_t pages, KeepWarm keep_warm, Release release)
    : pages_(pages),
      keep_warm_(std::move(keep_warm)),
      release_(std::move(release)),
      warm_bits_(make_sparse_array<std::uint64_t>(pages / 64 + 1)) {
  if (warm_bits_ == nullptr) throw std::bad_alloc();
  free_pages_ = pages;
  if (pages > 0) insert(0, {pages, 0});
}

void PageHeap::insert(std::uint64_t first_page, Run run) {
  runs_.emplace(first_page, run);
  (run.warm > 0 ? warm_by_size_ : cold_by_size_).emplace(run.pages, first_page);
  if (run.warm > 0) by_warmth_.emplace(run.warm, first_page);
}

PageHeap::Runs::iterator PageHeap::erase(Runs::iterator run) {
  (run->second.warm > 0 ? warm_by_size_ : cold_by_size_).erase({run->second.pages, run->first});
  if (run->second.warm > 0) by_warmth_.erase({run->second.warm, run->first});
  return runs_.erase(run);
}

std::uint64_t PageHeap::mark(std::uint64_t first_page, std::uint64_t pages, bool warm) {
  std::uint64_t changed = 0;
  for (std::uint64_t page = first_page, end = first_page + pages; page < end;) {
    std::uint64_t& word = warm_bits_[page / 64];
    const std::uint64_t mask = next_mask(page, end);
    const std::uint64_t before = word;
    word = warm ? before | mask : before & ~mask;
    changed += static_cast<std::uint64_t>(std::popcount(before ^ word));
  }
  return changed;
}

std::uint64_t PageHeap::count_warm(std::uint64_t first_page, std::uint64_t pages) const {
  std::uint64_t warm = 0;
  for (std::uint64_t page = first_page, end = first_page + pages; page < end;) {
    const std::uint64_t word = warm_bits_[page / 64];
    warm += static_cast<std::uint64_t>(std::popcount(word & next_mask(page, end)));
  }
  return warm;
}

std::optional<std::uint64_t> PageHeap::place_in(std::uint64_t run_first, const Run& run, std::uint64_t pages,
                                                std::uint64_t alignment) const {
  if (run.pages < pages) return std::nullopt;
  const std::uint64_t last = (run_first + run.pages - pages) / alignment * alignment;
  const std::uint64_t first = (run_first + alignment - 1) / alignment * alignment;
  if (last < first) return std::nullopt;
  // Cut from the end that is warm.
  const bool cut_end = run.warm > 0 && !is_warm(run_first) && is_warm(run_first + run.pages - 1);
  return cut_end ? last : first;
}

std::optional<PageHeap::Fit> PageHeap::fit(const BySize& runs, std::uint64_t pages, std::uint64_t alignment) const {
  int tries = kFitsTried;
  for (auto it = runs.lower_bound({pages, 0}); it != runs.end() && tries > 0; ++it, --tries) {
    const auto found = runs_.find(it->second);
    if (const auto first = place_in(found->first, found->second, pages, alignment)) return Fit{found->first, *first};
  }
  const auto it = runs.lower_bound({pages + alignment - 1, 0});  // fits wherever it starts
  if (it == runs.end()) return std::nullopt;
  const auto found = runs_.find(it->second);
  return Fit{found->first, *place_in(found->first, found->second, pages, alignment)};
}

std::optional<std::uint64_t> PageHeap::allocate(std::uint64_t pages, std::uint64_t alignment) {
  assert(pages > 0);
  auto found = fit(warm_by_size_, pages, alignment);
  if (!found) found = fit(cold_by_size_, pages, alignment);
  if (!found) return alignment > 1 ? allocate(pages) : std::nullopt;
  const auto it = runs_.find(found->run_first);
  const Run run = it->second;
  erase(it);
  const std::uint64_t warm = run.warm > 0 ? mark(found->first, pages, false) : 0;
  const std::uint64_t before = found->first - found->run_first;
  const std::uint64_t after = run.pages - before - pages;
  std::uint64_t warm_before = 0;  // of two rests the shorter one is counted
  if (run.warm > warm) {
    warm_before = before < after ? count_warm(found->run_first, before)
                                 : run.warm - warm - count_warm(found->first + pages, after);
  }
  if (before > 0) insert(found->run_first, {before, warm_before});
  if (after > 0) insert(found->first + pages, {after, run.warm - warm - warm_before});
  free_pages_ -= pages;
  if (warm > 0) {
    warm_pages_ -= warm;
    (void)keep_warm_(warm_pages_);
  }
  return found->first;
}

void PageHeap::free(std::uint64_t first_page, std::uint64_t pages, std::uint64_t touched_pages) {
  assert(pages > 0 && touched_pages <= pages && first_page + pages <= pages_);
  Run run{pages, mark(first_page, touched_pages, true)};
  warm_pages_ += run.warm;
  free_pages_ += pages;
  auto next = runs_.lower_bound(first_page);
  assert(next == runs_.end() || first_page + pages <= next->first);
  if (next != runs_.end() && first_page + pages == next->first) {
    run.pages += next->second.pages;
    run.warm += next->second.warm;
    next = erase(next);
  }
  if (next != runs_.begin()) {
    const auto previous = std::prev(next);
    assert(previous->first + previous->second.pages <= first_page);
    if (previous->first + previous->second.pages == first_page) {
      first_page = previous->first;
      run.pages += previous->second.pages;
      run.warm += previous->second.warm;
      erase(previous);
    }
  }
  insert(first_page, run);
  if (touched_pages > 0) release_surplus();
}

void PageHeap::release_surplus() {
  const std::uint64_t limit = keep_warm_(warm_pages_);
  while (release_ && warm_pages_ > limit) {
    const auto found = runs_.find(by_warmth_.rbegin()->second);
    const std::uint64_t first = found->first;
    Run run = found->second;
    const std::uint64_t released = release_from_end(first, run, warm_pages_ - limit);
    if (released == 0) break;
    erase(found);
    run.warm -= released;
    insert(first, run);
  }
}

std::uint64_t PageHeap::release_from_end(std::uint64_t first_page, const Run& run, std::uint64_t pages) {
  std::uint64_t released = 0;
  for (std::uint64_t end = first_page + run.pages; released < std::min(pages, run.warm);) {
    if (end % 64 == 0 && warm_bits_[end / 64 - 1] == 0) {
      end -= 64;  // there is a warm page further down, so this stays within the run
      continue;
    }
    if (!is_warm(end - 1)) {
      --end;
      continue;
    }
    std::uint64_t begin = end - 1;
    while (begin > first_page && end - begin < pages - released && is_warm(begin - 1)) --begin;
    if (!release_(begin, end - begin)) {
      release_ = nullptr;
      break;
    }
    mark(begin, end - begin, false);
    released += end - begin;
    end = begin;
  }
  warm_pages_ -= released;
  return released;
}

std::uint64_t PageHeap::longest_run_pages() const {
  const std::uint64_t warm = warm_by_size_.empty() ? 0 : warm_by_size_.rbegin()->first;
  const std::uint64_t cold = cold_by_size_.empty() ? 0 : cold_by_size_.rbegin()->first;
  return std::max(warm, cold);
}

}  // namespace manta::store
