// Results that come one by one: the reading end of a generator that runs as a task or as an actor's method.
#pragma once

#include <manta/detail/require_cpp20.h>

#include <chrono>
#include <cstddef>
#include <iterator>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <manta/detail/stream_api.h>
#include <manta/error.h>
#include <manta/generator.h>
#include <manta/get.h>
#include <manta/options.h>
#include <manta/ref.h>
#include <manta/serialize.h>

namespace manta {

/// The items that a task yields, in order, each once. Items that are there already are taken without waiting; where
/// there are none, next() waits. The generator is at most TaskOptions::stream_buffer items ahead; it waits at a
/// co_yield meanwhile, and releases its CPUs.
///
/// Where its worker dies, the generator runs again if TaskOptions::max_retries (ActorOptions::max_task_retries) allows;
/// what had arrived does not come twice, so it should yield the same again. What the generator throws, or that its
/// worker died for good, arrives after the items before it, and again at each further next().
///
/// A Stream belongs to the process that made the call: it is no argument and no part of a value; hand on what
/// next_ref() returns instead. When it goes away before its end, the generator is destroyed at its co_yield, and items
/// that were not taken are freed. An item that is a large value lies in the node's store and is read in place.
///
/// **Threading**: one thread at a time. **Ownership**: the reading end; movable only. **Errors**: next() throws
/// TaskError and Error as get() does; Error(invalid_argument) for an empty Stream.
///
///     manta::Stream<int> items = manta::remote<count>.options({.stream_buffer = 16})(10);
///     for (int item : items) use(item);
template <class T>
class [[nodiscard]] Stream {
 public:
  using value_type = T;
  class Iterator;

  Stream() noexcept = default;
  Stream(Stream&& other) noexcept : entry_(std::exchange(other.entry_, nullptr)) {}
  Stream& operator=(Stream&& other) noexcept {
    if (this != &other && entry_ != nullptr) detail::drop_stream(entry_);
    if (this != &other) entry_ = std::exchange(other.entry_, nullptr);
    return *this;
  }
  ~Stream() {
    if (entry_ != nullptr) detail::drop_stream(entry_);
  }

  /// False for an empty Stream: default-constructed or moved from.
  explicit operator bool() const noexcept { return entry_ != nullptr; }

  /// The next item; nothing: it has ended. Blocks.
  [[nodiscard]] std::optional<T> next() { return next_by(detail::Deadline::max()); }
  /// Throws Error(deadline) if there is none by then; it may be asked for again.
  [[nodiscard]] std::optional<T> next(std::chrono::nanoseconds timeout) {
    return next_by(detail::deadline_after(timeout));
  }
  /// As next(timeout), but returns the error. A timeout of 0 asks without waiting.
  [[nodiscard]] Result<std::optional<T>> try_next(std::chrono::nanoseconds timeout = std::chrono::nanoseconds::max()) {
    try {
      return next_by(detail::deadline_after(timeout));
    } catch (const Error& error) {
      return tl::unexpected<Error>(error);
    }
  }

  /// The next item as an object, its value not looked at: for other tasks, or to get() it later.
  [[nodiscard]] std::optional<Ref<T>> next_ref() { return next_ref_by(detail::Deadline::max()); }
  [[nodiscard]] std::optional<Ref<T>> next_ref(std::chrono::nanoseconds timeout) {
    return next_ref_by(detail::deadline_after(timeout));
  }

  /// Whether next() would not wait: an item, the end or an error is there.
  [[nodiscard]] bool ready() const { return detail::stream_ready(&entry()); }

  /// Once, over what is left. Items are moved out: for (T item : stream), for (T&& item : stream).
  Iterator begin() { return Iterator(*this); }
  std::default_sentinel_t end() const noexcept { return {}; }

  /// For the runtime. Takes over one reference.
  static Stream adopt(detail::EntryHead* entry) noexcept {
    Stream stream;
    stream.entry_ = entry;
    return stream;
  }
  /// For the runtime. Throws if empty.
  detail::EntryHead& entry() const {
    if (entry_ == nullptr) [[unlikely]]
      detail::throw_empty_stream();
    return *entry_;
  }

 private:
  std::optional<T> next_by(detail::Deadline deadline) {
    detail::StreamItem item;
    const detail::StreamStep step = detail::take_item(&entry(), item, deadline);
    if (step == detail::StreamStep::open) detail::throw_stream_deadline();
    if (step == detail::StreamStep::ended) return std::nullopt;
    serial::Reader reader(item.view.bytes, item.view.framed, item.view.keepalive);
    T value = serial::decode<T>(reader);
    reader.finish();
    return value;
  }
  std::optional<Ref<T>> next_ref_by(detail::Deadline deadline) {
    detail::EntryHead* item = nullptr;
    const detail::StreamStep step = detail::take_item_ref(&entry(), item, deadline);
    if (step == detail::StreamStep::open) detail::throw_stream_deadline();
    if (step == detail::StreamStep::ended) return std::nullopt;
    return Ref<T>::adopt(item);
  }

  detail::EntryHead* entry_ = nullptr;
};

template <class T>
class Stream<T>::Iterator {
 public:
  using iterator_concept = std::input_iterator_tag;
  using difference_type = std::ptrdiff_t;
  using value_type = T;

  T&& operator*() const { return std::move(*value_); }
  Iterator& operator++() {
    value_ = stream_->next();
    return *this;
  }
  void operator++(int) { ++*this; }
  friend bool operator==(const Iterator& iterator, std::default_sentinel_t) { return !iterator.value_.has_value(); }

 private:
  friend Stream;
  explicit Iterator(Stream& stream) : stream_(&stream), value_(stream.next()) {}

  Stream* stream_;
  mutable std::optional<T> value_;
};

/// Blocks until so many of the streams are ready(), or the timeout is over; the indices of those that are, ascending.
/// Those that have ended stay ready: take them out of the vector.
template <class T>
[[nodiscard]] std::vector<std::size_t> wait(const std::vector<Stream<T>>& streams, WaitOptions options = {}) {
  std::vector<detail::EntryHead*> entries;
  entries.reserve(streams.size());
  for (const Stream<T>& stream : streams) entries.push_back(&stream.entry());
  detail::wait_streams(entries, options.count, detail::deadline_after(options.timeout));
  std::vector<std::size_t> ready;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (detail::stream_ready(entries[i])) ready.push_back(i);
  }
  return ready;
}

namespace detail {

template <class T>
inline constexpr bool is_stream = false;
template <class T>
inline constexpr bool is_stream<Stream<T>> = true;

/// What the caller of a function that returns R gets, made from its entry.
template <class R>
struct CallResult {
  using type = Ref<R>;
};
template <class T>
struct CallResult<Generator<T>> {
  using type = Stream<T>;
};

}  // namespace detail
}  // namespace manta
