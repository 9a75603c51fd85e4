// Storing values, and getting the values of refs.
#pragma once

#include <manta/detail/require_cpp20.h>

#include <chrono>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <manta/array.h>
#include <manta/buffer.h>
#include <manta/detail/collect.h>
#include <manta/detail/runtime_api.h>
#include <manta/detail/shared_value.h>
#include <manta/error.h>
#include <manta/ref.h>
#include <manta/serialize.h>
#include <manta/unique_buffer.h>

namespace manta {

namespace detail {

/// The point in time that is timeout from now; nanoseconds::max() is for ever.
Deadline deadline_after(std::chrono::nanoseconds timeout);
[[noreturn]] void throw_deadline(EntryHead& first_missing, std::size_t ready, std::size_t total);

/// False: not resolved by the deadline.
inline bool await(EntryHead& entry, Deadline deadline) {
  return entry.resolved.load(std::memory_order_acquire) || wait_resolved(&entry, deadline);
}

template <class T>
T decode_value(const ValueView& view) {
  if constexpr (!std::is_void_v<T>) {
    serial::Reader reader(view.bytes, view.framed, view.keepalive);
    T value = serial::decode<T>(reader);
    reader.finish();
    return value;
  }
}

/// A View of the value: the object that readers share, or what reads the value's encoding in place.
template <class View, class T>
View view_of(EntryHead& resolved) {
  const ValueView view = read_value(&resolved);
  if constexpr (std::is_same_v<View, std::shared_ptr<const T>>) {
    return shared_value<T>(view);
  } else {
    return read_as<View, T>(view);
  }
}
template <class View, class T>
concept ViewOf = !std::is_same_v<View, T> && (std::is_same_v<View, std::shared_ptr<const T>> || Reads<View, T>);

template <class View, class T>
View get_view_by(const Ref<T>& ref, Deadline deadline) {
  EntryHead& entry = ref.entry();
  if (!await(entry, deadline)) throw_deadline(entry, 0, 1);
  return view_of<View, T>(entry);
}

template <class T>
T value_of(EntryHead& resolved) {
  return decode_value<T>(read_value(&resolved));  // throws the task's error
}

template <class T>
T get_by(const Ref<T>& ref, Deadline deadline) {
  EntryHead& entry = ref.entry();
  if (!await(entry, deadline)) throw_deadline(entry, 0, 1);
  return value_of<T>(entry);
}

template <class T>
std::vector<T> get_all_by(const std::vector<Ref<T>>& refs, Deadline deadline) {
  std::vector<T> values;
  values.reserve(refs.size());
  ReadAhead ahead([&refs] { return entries_in(refs); });
  for (const Ref<T>& ref : refs) {
    if (!ahead.await(ref.entry(), deadline)) throw_deadline(ref.entry(), values.size(), refs.size());
    values.push_back(decode_value<T>(ahead.read(ref.entry())));
  }
  return values;
}

/// get() of something that holds refs: one after the other, in order, under one deadline.
template <class X>
Collected<X> collect_by(const X& refs, Deadline deadline) {
  std::size_t done = 0;
  ReadAhead ahead([&refs] { return entries_in(refs); });
  auto value = [&]<class T>(const Ref<T>& ref) -> Collected<Ref<T>> {
    if (!ahead.await(ref.entry(), deadline)) throw_deadline(ref.entry(), done, entries_in(refs).size());
    ++done;
    const ValueView view = ahead.read(ref.entry());
    if constexpr (std::is_void_v<T>) {
      return {};
    } else {
      return decode_value<T>(view);
    }
  };
  return Collect<X>::map(refs, value);
}
template <class X>
using Gotten = std::conditional_t<Collect<X>::only_void, void, Collected<X>>;

}  // namespace detail

/// Waits until the value is there and returns a copy of it.
///
/// **Threading**: any thread. Blocks (a task that blocks gives its CPUs to others meanwhile).
/// **Errors**: throws TaskError where the task's code threw; Error where its worker died, the object was lost, ...;
/// Error(deadline) where the timeout was over first, in which case the task goes on.
template <class T>
[[nodiscard]] T get(const Ref<T>& ref) {
  return detail::get_by(ref, detail::Deadline::max());
}
inline void get(const Ref<void>& ref) { detail::get_by(ref, detail::Deadline::max()); }
template <class T>
[[nodiscard]] T get(const Ref<T>& ref, std::chrono::nanoseconds timeout) {
  return detail::get_by(ref, detail::deadline_after(timeout));
}
inline void get(const Ref<void>& ref, std::chrono::nanoseconds timeout) {
  detail::get_by(ref, detail::deadline_after(timeout));
}

/// The value without a copy for this reader. get<manta::Array<float>>(ref), of a Ref<std::vector<float>> or
/// Ref<Buffer>, is a span over the stored elements (see <manta/array.h>); get<std::shared_ptr<const T>>(ref), of a
/// Ref<T>, is the object that all readers of this process share, tasks with a parameter const T& included. A vector of
/// numbers lies in the store itself; another value is decoded for the first reader and dropped 2 s after the last.
///
/// Threading, blocking and errors: as get of one. What is shared is const: T's const members must be safe to use from
/// several threads. **Ownership**: the result keeps the value, also when the last Ref is gone.
template <class View, class T>
requires detail::ViewOf<View, T>
[[nodiscard]] View get(const Ref<T>& ref, std::chrono::nanoseconds timeout = std::chrono::nanoseconds::max()) {
  return detail::get_view_by<View>(ref, detail::deadline_after(timeout));
}

/// The values of all, in order; throws the error of the first that failed. Requests borrowed values together.
template <class T>
[[nodiscard]] std::vector<T> get(const std::vector<Ref<T>>& refs) {
  return detail::get_all_by(refs, detail::Deadline::max());
}
template <class T>
[[nodiscard]] std::vector<T> get(const std::vector<Ref<T>>& refs, std::chrono::nanoseconds timeout) {
  return detail::get_all_by(refs, detail::deadline_after(timeout));
}
inline void get(const std::vector<Ref<void>>& refs,
                std::chrono::nanoseconds timeout = std::chrono::nanoseconds::max()) {
  (void)detail::collect_by(refs, detail::deadline_after(timeout));
}

/// The values of everything in `refs`, in the same arrangement: a std::array, deque or list of refs gives one of
/// values; a std::map or unordered_map its keys with values; a tuple, pair or optional the same of values; a span or C
/// array a vector or std::array. These may be nested: get of a std::map<std::string, std::vector<manta::Ref<int>>> is a
/// std::map<std::string, std::vector<int>>. In place of a Ref<void> stands std::monostate; of a sequence of nothing
/// else the result is void.
///
/// Blocking and errors: as get of one; the error is that of the first that failed, in order. The timeout is for all.
template <detail::HoldsRefs X>
requires(!detail::is_ref<X>) detail::Gotten<X> get(const X& refs,
                                                   std::chrono::nanoseconds timeout = std::chrono::nanoseconds::max()) {
  return static_cast<detail::Gotten<X>>(detail::collect_by(refs, detail::deadline_after(timeout)));
}
/// Several of any kinds: auto [sum, names] = manta::get(sum_ref, names_refs).
template <detail::HoldsRefs A, detail::HoldsRefs B, detail::HoldsRefs... More>
[[nodiscard]] std::tuple<detail::Collected<A>, detail::Collected<B>, detail::Collected<More>...> get(
    const A& a, const B& b, const More&... more) {
  return detail::collect_by(std::tuple<const A&, const B&, const More&...>(a, b, more...), detail::Deadline::max());
}

/// As get, but returns the error. A timeout of 0 asks without waiting.
template <class T>
[[nodiscard]] Result<T> try_get(const Ref<T>& ref, std::chrono::nanoseconds timeout = std::chrono::nanoseconds::max()) {
  try {
    if constexpr (std::is_void_v<T>) {
      detail::get_by(ref, detail::deadline_after(timeout));
      return {};
    } else {
      return detail::get_by(ref, detail::deadline_after(timeout));
    }
  } catch (const Error& error) {
    return tl::unexpected<Error>(error);
  }
}

/// As get of a view, but returns the error.
template <class View, class T>
requires detail::ViewOf<View, T>
[[nodiscard]] Result<View> try_get(const Ref<T>& ref,
                                   std::chrono::nanoseconds timeout = std::chrono::nanoseconds::max()) {
  try {
    return detail::get_view_by<View>(ref, detail::deadline_after(timeout));
  } catch (const Error& error) {
    return tl::unexpected<Error>(error);
  }
}

/// The same for everything that get() takes: all values, or the error of the first that failed. One that is not there
/// when the time is over fails with deadline.
template <detail::HoldsRefs X>
requires(!detail::is_ref<X>) [[nodiscard]] Result<detail::Gotten<X>> try_get(
    const X& refs, std::chrono::nanoseconds timeout = std::chrono::nanoseconds::max()) {
  try {
    if constexpr (detail::Collect<X>::only_void) {
      (void)detail::collect_by(refs, detail::deadline_after(timeout));
      return {};
    } else {
      return detail::collect_by(refs, detail::deadline_after(timeout));
    }
  } catch (const Error& error) {
    return tl::unexpected<Error>(error);
  }
}
template <detail::HoldsRefs A, detail::HoldsRefs B, detail::HoldsRefs... More>
[[nodiscard]] auto try_get(const A& a, const B& b, const More&... more) {
  return try_get(std::tuple<const A&, const B&, const More&...>(a, b, more...));
}

/// Stores a value once, for any number of tasks: pass the Ref instead of the value.
///
/// **Threading**: any thread. **Errors**: throws Error(exhausted) where the store is full, unavailable without a
/// runtime.
template <class T>
[[nodiscard]] Ref<std::decay_t<T>> put(T&& value) {
  using Value = std::decay_t<T>;
  if constexpr (!Serializable<Value>) {
    serial::detail::explain<Value>();
  } else {
    const Value& stored = value;  // of arrays: what they decay to
    serial::Writer writer;
    writer(stored);
    return Ref<Value>::adopt(detail::put(writer));
  }
}

/// The same for what was made in place (create_buffer), without a copy. Throws Error(invalid_argument) for an empty
/// one.
[[nodiscard]] Ref<Buffer> put(UniqueBuffer buffer);

}  // namespace manta
