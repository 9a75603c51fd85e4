#include "core/store/page_heap.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <new>

namespace manta::store {

PageHeap::PageHeap(std::uint64_t pages, std::uint64_t warm_limit_pages, Release release)
    : pages_(pages),
      warm_limit_pages_(warm_limit_pages),
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
    const std::uint64_t bit = page % 64;
    const std::uint64_t count = std::min<std::uint64_t>(64 - bit, end - page);
    const std::uint64_t mask = (count == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1) << bit;
    std::uint64_t& word = warm_bits_[page / 64];
    const std::uint64_t before = word;
    word = warm ? before | mask : before & ~mask;
    changed += static_cast<std::uint64_t>(std::popcount(before ^ word));
    page += count;
  }
  return changed;
}

std::optional<std::uint64_t> PageHeap::allocate(std::uint64_t pages) {
  assert(pages > 0);
  auto fit = warm_by_size_.lower_bound({pages, 0});
  if (fit == warm_by_size_.end()) {
    fit = cold_by_size_.lower_bound({pages, 0});
    if (fit == cold_by_size_.end()) return std::nullopt;
  }
  const auto found = runs_.find(fit->second);
  const std::uint64_t run_first = found->first;
  const Run run = found->second;
  erase(found);
  // Cut from the end that is warm.
  const bool cut_end = run.warm > 0 && !is_warm(run_first) && is_warm(run_first + run.pages - 1);
  const std::uint64_t rest = run.pages - pages;
  const std::uint64_t first = cut_end ? run_first + rest : run_first;
  const std::uint64_t warm = run.warm > 0 ? mark(first, pages, false) : 0;
  if (rest > 0) insert(cut_end ? run_first : run_first + pages, {rest, run.warm - warm});
  warm_pages_ -= warm;
  free_pages_ -= pages;
  return first;
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
  if (warm_pages_ > warm_limit_pages_) release_surplus();
}

void PageHeap::release_surplus() {
  while (release_ && warm_pages_ > warm_limit_pages_) {
    const auto found = runs_.find(by_warmth_.rbegin()->second);
    const std::uint64_t first = found->first;
    Run run = found->second;
    const std::uint64_t released = release_from_end(first, run, warm_pages_ - warm_limit_pages_);
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
