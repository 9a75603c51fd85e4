// Waiting for the first or for all of several refs, in coroutines and outside.
#pragma once

#include <manta/detail/require_cpp20.h>

#include <cstddef>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <manta/detail/collect.h>
#include <manta/get.h>
#include <manta/ref.h>
#include <manta/task.h>

namespace manta {

namespace detail {

[[noreturn]] void throw_any_of_none();

inline Task<std::size_t> first_of(std::vector<Ref<Untyped>> refs) {
  const std::size_t first = co_await FirstOf{refs};
  co_return first;
}
template <class Refs>
Task<Collected<Refs>> all_of(Refs refs) {
  ReadAhead ahead([&refs] { return entries_in(refs); });
  std::vector<Ref<Untyped>> one(1);
  for (Ref<Untyped>& ref : refs_in(refs)) {
    ahead.will_await(ref.entry());
    one.front() = std::move(ref);
    (void)co_await FirstOf{one};
  }
  co_return collect_by(refs, Deadline::max());
}

/// What a Task keeps of an argument: refs of its own.
template <class X>
struct Kept {
  using type = X;
};
template <class X, std::size_t N>
struct Kept<std::span<X, N>> {
  using type = std::vector<std::remove_const_t<X>>;
};
template <class X>
typename Kept<X>::type keep(const X& refs) {
  if constexpr (std::is_same_v<typename Kept<X>::type, X>) {
    return refs;
  } else {
    return typename Kept<X>::type(refs.begin(), refs.end());
  }
}

}  // namespace detail

/// The position of one that is ready: of several refs of any types, or of one vector, array, span, map, tuple, ... of
/// refs, counted in its order. Where several are ready it is the first of these. A failed one counts as ready.
///
/// The result is a Task, as of any coroutine: awaited inside of one (by a name, see Task), run by get() outside.
/// Threading, ownership: of a Task; it holds refs of its own. **Errors**: throws Error(invalid_argument) for no refs at
/// all, and for an empty Ref; exceptions of the values' tasks arrive where the value is taken.
///
///     std::size_t first = manta::get(manta::when_any(refs));             // blocks
///     auto any = manta::when_any(a, b);                                  // in a coroutine
///     if (co_await any == 0) co_return co_await a;
template <detail::HoldsRefs... Xs>
requires(sizeof...(Xs) > 0) [[nodiscard]] Task<std::size_t> when_any(const Xs&... refs) {
  std::vector<Ref<detail::Untyped>> all = detail::refs_in(refs...);
  if (all.empty()) detail::throw_any_of_none();
  return detail::first_of(std::move(all));
}

/// The values of all, arranged as get() arranges them (see there); several arguments give a tuple. Waits for all in
/// order and throws the error of the first that failed.
///
///     auto [x, y] = manta::get(manta::when_all(a, b));
///     auto all = manta::when_all(by_name);                               // std::map<std::string, manta::Ref<int>>
///     std::map<std::string, int> values = co_await all;
template <detail::HoldsRefs X>
requires(!detail::is_ref<X>) [[nodiscard]] auto when_all(const X& refs) { return detail::all_of(detail::keep(refs)); }
template <detail::HoldsRefs A, detail::HoldsRefs B, detail::HoldsRefs... More>
[[nodiscard]] auto when_all(const A& a, const B& b, const More&... more) {
  return detail::all_of(std::tuple(detail::keep(a), detail::keep(b), detail::keep(more)...));
}

}  // namespace manta
