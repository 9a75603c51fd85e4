// Runs of pages within an arena: best fit, freed neighbours merge.
//
// Knows which free pages are warm (were used, so the kernel holds memory for them). Warm runs are given out first; what
// exceeds the limit goes back to the kernel, from the run with the most warm pages first.
//
// Threading: none of its own. Ownership: page numbers only; it never touches the memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

namespace manta::store {

inline constexpr std::uint64_t kPageBytes = 4096;

// Zeros that cost memory only where they are written, however many.
struct SparseArrayDelete {
  void operator()(void* array) const { std::free(array); }
};
template <class T>
using SparseArray = std::unique_ptr<T[], SparseArrayDelete>;
template <class T>
SparseArray<T> make_sparse_array(std::size_t count) {
  return SparseArray<T>(static_cast<T*>(std::calloc(count, sizeof(T))));
}

class PageHeap {
 public:
  // Gives the memory of these pages back to the kernel. False: it cannot, and need not be asked again.
  using Release = std::function<bool(std::uint64_t first_page, std::uint64_t pages)>;

  // Called with the number of warm free pages whenever it has changed; returns how many of them may stay warm.
  using KeepWarm = std::function<std::uint64_t(std::uint64_t warm_pages)>;

  PageHeap(std::uint64_t pages, KeepWarm keep_warm, Release release);

  // The first page of a run, a multiple of `alignment` where such a run is found easily; nothing: none is long enough.
  std::optional<std::uint64_t> allocate(std::uint64_t pages, std::uint64_t alignment = 1);
  // A run from allocate; the first touched_pages of it may have been written.
  void free(std::uint64_t first_page, std::uint64_t pages, std::uint64_t touched_pages);

  std::uint64_t warm_pages() const { return warm_pages_; }
  std::uint64_t free_pages() const { return free_pages_; }
  std::uint64_t longest_run_pages() const;

 private:
  struct Run {
    std::uint64_t pages = 0;
    std::uint64_t warm = 0;  // of these pages
  };
  using Runs = std::map<std::uint64_t, Run>;  // by first page
  using BySize = std::set<std::pair<std::uint64_t, std::uint64_t>>;

  void insert(std::uint64_t first_page, Run run);
  // Where in the run so many pages fit, aligned; nothing: they do not.
  std::optional<std::uint64_t> place_in(std::uint64_t run_first, const Run& run, std::uint64_t pages,
                                        std::uint64_t alignment) const;
  struct Fit {
    std::uint64_t run_first = 0;
    std::uint64_t first = 0;
  };
  std::optional<Fit> fit(const BySize& runs, std::uint64_t pages, std::uint64_t alignment) const;
  Runs::iterator erase(Runs::iterator run);
  bool is_warm(std::uint64_t page) const { return (warm_bits_[page / 64] >> (page % 64)) & 1; }
  // Sets the pages' bits; returns how many changed.
  std::uint64_t mark(std::uint64_t first_page, std::uint64_t pages, bool warm);
  std::uint64_t count_warm(std::uint64_t first_page, std::uint64_t pages) const;
  // Gives at most `pages` warm pages of the run back, from its end.
  std::uint64_t release_from_end(std::uint64_t first_page, const Run& run, std::uint64_t pages);
  void release_surplus();

  std::uint64_t pages_;
  KeepWarm keep_warm_;
  Release release_;
  SparseArray<std::uint64_t> warm_bits_;  // of free pages
  std::uint64_t warm_pages_ = 0;
  std::uint64_t free_pages_ = 0;
  Runs runs_;
  BySize warm_by_size_;  // (pages, first) of runs with a warm page
  BySize cold_by_size_;
  BySize by_warmth_;  // (warm pages, first)
};

}  // namespace manta::store
