// Waiting for some of many refs.
#pragma once

#include <manta/detail/require_cpp20.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <span>
#include <utility>
#include <vector>

#include <manta/detail/runtime_api.h>
#include <manta/get.h>
#include <manta/options.h>
#include <manta/ref.h>

namespace manta {

namespace detail {

/// Moves up to count ready refs to the front, in order, and returns how many; looks no further than it must.
template <class T>
std::size_t gather_ready(std::span<Ref<T>> refs, std::size_t count) {
  std::size_t front = 0;
  while (front < count && refs[front].ready()) ++front;  // the common case: nothing to move
  if (front == count) return count;
  std::vector<std::size_t> ready;  // positions behind front; found before anything moves, since an empty ref throws
  std::size_t end = front;
  for (; end < refs.size() && front + ready.size() < count; ++end) {
    if (refs[end].ready()) ready.push_back(end);
  }
  if (ready.empty()) return front;
  std::vector<Ref<T>> others;
  others.reserve(end - front - ready.size());
  std::size_t to = front;
  auto next = ready.begin();
  for (std::size_t i = front; i < end; ++i) {
    if (next == ready.end() || i != *next) {
      others.push_back(std::move(refs[i]));
    } else {
      refs[to++] = std::move(refs[i]);  // to < i: the first of them was not ready
      ++next;
    }
  }
  std::move(others.begin(), others.end(), refs.begin() + static_cast<std::ptrdiff_t>(to));
  return to;
}

template <class T>
std::vector<EntryHead*> entries_of(std::span<const Ref<T>> refs) {
  std::vector<EntryHead*> entries;
  entries.reserve(refs.size());
  for (const Ref<T>& ref : refs) entries.push_back(&ref.entry());
  return entries;
}

}  // namespace detail

/// Waits until options.count of the refs are ready or the time is over, and brings ready ones to the front.
///
/// Returns how many are in front: min(options.count, refs.size()), less where the time was over. Order is kept among
/// those in front and among the others. Refs that are ready without waiting cost nothing but a look: a loop over 1,000
/// results, one at a time, is linear as long as the first is ready. An error counts as ready; get() throws it.
///
/// **Threading**: any thread; blocks. **Errors**: throws Error(invalid_argument) if one is empty.
///
///     while (!refs.empty()) {
///       manta::wait(refs, {.count = 1});
///       use(manta::get(refs.front()));
///       refs.erase(refs.begin());
///     }
template <class T>
std::size_t wait(std::span<Ref<T>> refs, const WaitOptions& options = {}) {
  const std::size_t count = std::min(options.count, refs.size());
  const std::size_t ready = detail::gather_ready(refs, count);
  if (ready == count || options.timeout <= std::chrono::nanoseconds::zero()) return ready;
  const auto entries = detail::entries_of(std::span<const Ref<T>>(refs));
  detail::wait_any(entries, count, detail::deadline_after(options.timeout));
  return detail::gather_ready(refs, count);
}
template <class T>
std::size_t wait(std::vector<Ref<T>>& refs, const WaitOptions& options = {}) {
  return wait(std::span<Ref<T>>(refs), options);
}
template <class T, std::size_t N>
std::size_t wait(std::span<Ref<T>, N> refs, const WaitOptions& options = {}) {
  return wait(std::span<Ref<T>>(refs), options);
}
template <class T, std::size_t N>
std::size_t wait(std::array<Ref<T>, N>& refs, const WaitOptions& options = {}) {
  return wait(std::span<Ref<T>>(refs), options);
}
template <class T, std::size_t N>
std::size_t wait(Ref<T> (&refs)[N], const WaitOptions& options = {}) {
  return wait(std::span<Ref<T>>(refs), options);
}

/// The same for what else get() takes: one Ref, a map, a tuple (of refs of several types: std::tie(a, b)), what is
/// const. Nothing moves: returns how many are ready, at most options.count.
template <detail::HoldsRefs X>
std::size_t wait(const X& refs, const WaitOptions& options = {}) {
  const std::vector<detail::EntryHead*> entries = detail::entries_in(refs);
  const std::size_t count = std::min(options.count, entries.size());
  const auto ready = [&] {
    std::size_t number = 0;
    for (const detail::EntryHead* entry : entries) number += entry->resolved.load(std::memory_order_acquire) ? 1 : 0;
    return std::min(number, count);
  };
  const std::size_t now = ready();
  if (now == count || options.timeout <= std::chrono::nanoseconds::zero()) return now;
  detail::wait_any(entries, count, detail::deadline_after(options.timeout));
  return ready();
}

/// The range that as_completed returns; it can be walked once.
template <class T>
class AsCompleted {
 public:
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Ref<T>;
    using difference_type = std::ptrdiff_t;
    using pointer = Ref<T>*;
    using reference = Ref<T>&;

    reference operator*() const { return *current_; }
    pointer operator->() const { return current_; }
    Iterator& operator++() {
      advance();
      return *this;
    }
    void operator++(int) { advance(); }
    friend bool operator==(const Iterator& iterator, std::default_sentinel_t) { return iterator.current_ == nullptr; }

   private:
    friend AsCompleted;
    explicit Iterator(AsCompleted* range) : range_(range) { advance(); }
    void advance() { current_ = range_->next(); }

    AsCompleted* range_;
    Ref<T>* current_ = nullptr;
  };

  explicit AsCompleted(std::span<Ref<T>> refs) : refs_(refs), left_(refs.size()), queue_(detail::entries_of<T>(refs)) {}
  explicit AsCompleted(std::vector<Ref<T>>&& refs)
      : owned_(std::move(refs)), refs_(owned_), left_(refs_.size()), queue_(detail::entries_of<T>(refs_)) {}
  AsCompleted(const AsCompleted&) = delete;
  AsCompleted& operator=(const AsCompleted&) = delete;

  Iterator begin() { return Iterator(this); }
  std::default_sentinel_t end() const { return {}; }

 private:
  Ref<T>* next() { return left_ == 0 ? nullptr : (--left_, &refs_[queue_.next()]); }

  std::vector<Ref<T>> owned_;
  std::span<Ref<T>> refs_;
  std::size_t left_;
  detail::CompletionQueue queue_;
};

/// Each ref once, in the order in which they become ready. Registers once, so that each step costs the same however
/// many there are. A step blocks until the next is ready.
///
/// The vector must not be resized meanwhile; its elements may be changed once they were visited.
///
///     for (auto& ref : manta::as_completed(refs)) use(manta::get(ref));
template <class T>
[[nodiscard]] AsCompleted<T> as_completed(std::vector<Ref<T>>& refs) {
  return AsCompleted<T>(std::span<Ref<T>>(refs));
}
template <class T>
[[nodiscard]] AsCompleted<T> as_completed(std::span<Ref<T>> refs) {
  return AsCompleted<T>(refs);
}
template <class T>
[[nodiscard]] AsCompleted<T> as_completed(std::vector<Ref<T>>&& refs) {
  return AsCompleted<T>(std::move(refs));
}

}  // namespace manta
