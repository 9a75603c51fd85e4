// Things that hold refs (containers, tuples, maps, nested), and the same with values in place of the refs.
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <span>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <manta/detail/runtime_api.h>
#include <manta/ref.h>

namespace manta::detail {

// Of an X that holds refs: Value, what get() makes of it; map(x, f), which makes it by f(ref) for each Ref, in order;
// and each(x, f), which only visits them.
template <class X>
struct Collect;

template <class X>
concept HoldsRefs = requires {
  sizeof(Collect<std::remove_cvref_t<X>>);
};
template <class X>
using Collected = typename Collect<std::remove_cvref_t<X>>::Value;

template <class T>
struct Collect<Ref<T>> {
  using Value = std::conditional_t<std::is_void_v<T>, std::monostate, T>;
  static constexpr bool only_void = std::is_void_v<T>;
  template <class F>
  static Value map(const Ref<T>& ref, F& f) {
    return f(ref);
  }
  template <class F>
  static void each(const Ref<T>& ref, F& f) {
    f(ref);
  }
};

// Elements one after the other become a To.
template <class X, class To>
struct CollectSequence {
  using Element = Collect<std::remove_cvref_t<X>>;
  using Value = To;
  static constexpr bool only_void = Element::only_void;
  template <class From, class F>
  static Value map(const From& from, F& f) {
    Value to;
    if constexpr (requires { to.reserve(from.size()); }) to.reserve(from.size());
    for (const auto& element : from) to.push_back(Element::map(element, f));
    return to;
  }
  template <class From, class F>
  static void each(const From& from, F& f) {
    for (const auto& element : from) Element::each(element, f);
  }
};
template <HoldsRefs X, class A>
struct Collect<std::vector<X, A>> : CollectSequence<X, std::vector<Collected<X>>> {};
template <HoldsRefs X, class A>
struct Collect<std::deque<X, A>> : CollectSequence<X, std::deque<Collected<X>>> {};
template <HoldsRefs X, class A>
struct Collect<std::list<X, A>> : CollectSequence<X, std::list<Collected<X>>> {};
template <HoldsRefs X, std::size_t N>
struct Collect<std::span<X, N>> : CollectSequence<X, std::vector<Collected<X>>> {};

template <class X, std::size_t N>
struct CollectArray {
  using Element = Collect<X>;
  using Value = std::array<Collected<X>, N>;
  static constexpr bool only_void = Element::only_void;
  template <class From, class F>
  static Value map(const From& from, F& f) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {  // braces: in order
      return Value{{Element::map(from[I], f)...}};
    }
    (std::make_index_sequence<N>());
  }
  template <class From, class F>
  static void each(const From& from, F& f) {
    for (const auto& element : from) Element::each(element, f);
  }
};
template <HoldsRefs X, std::size_t N>
requires(N > 0) struct Collect<std::array<X, N>> : CollectArray<X, N> {
};
template <HoldsRefs X, std::size_t N>
struct Collect<X[N]> : CollectArray<X, N> {};

template <class X, class To>
struct CollectMap {
  using Element = Collect<X>;
  using Value = To;
  static constexpr bool only_void = false;
  template <class From, class F>
  static Value map(const From& from, F& f) {
    Value to;
    for (const auto& [key, element] : from) to.emplace_hint(to.end(), key, Element::map(element, f));
    return to;
  }
  template <class From, class F>
  static void each(const From& from, F& f) {
    for (const auto& [key, element] : from) Element::each(element, f);
  }
};
template <class K, HoldsRefs X, class C, class A>
struct Collect<std::map<K, X, C, A>> : CollectMap<X, std::map<K, Collected<X>, C>> {};
template <class K, HoldsRefs X, class C, class A>
struct Collect<std::multimap<K, X, C, A>> : CollectMap<X, std::multimap<K, Collected<X>, C>> {};
template <class K, HoldsRefs X, class H, class E, class A>
struct Collect<std::unordered_map<K, X, H, E, A>> : CollectMap<X, std::unordered_map<K, Collected<X>, H, E>> {};
template <class K, HoldsRefs X, class H, class E, class A>
struct Collect<std::unordered_multimap<K, X, H, E, A>> : CollectMap<X, std::unordered_multimap<K, Collected<X>, H, E>> {
};

template <class To, class... Xs>
struct CollectTuple {
  using Value = To;
  static constexpr bool only_void = false;
  template <class From, class F>
  static Value map(const From& from, F& f) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return Value{Collect<std::remove_cvref_t<Xs>>::map(std::get<I>(from), f)...};
    }
    (std::index_sequence_for<Xs...>());
  }
  template <class From, class F>
  static void each(const From& from, F& f) {
    std::apply([&](const auto&... parts) { (Collect<std::remove_cvref_t<Xs>>::each(parts, f), ...); }, from);
  }
};
template <HoldsRefs... Xs>
requires(sizeof...(Xs) > 0) struct Collect<std::tuple<Xs...>> : CollectTuple<std::tuple<Collected<Xs>...>, Xs...> {
};
template <HoldsRefs A, HoldsRefs B>
struct Collect<std::pair<A, B>> : CollectTuple<std::pair<Collected<A>, Collected<B>>, A, B> {};

template <HoldsRefs X>
struct Collect<std::optional<X>> {
  using Value = std::optional<Collected<X>>;
  static constexpr bool only_void = false;
  template <class F>
  static Value map(const std::optional<X>& from, F& f) {
    return from ? Value(Collect<X>::map(*from, f)) : Value();
  }
  template <class F>
  static void each(const std::optional<X>& from, F& f) {
    if (from) Collect<X>::each(*from, f);
  }
};

// Any object, whatever its type.
struct Untyped {};

inline Ref<Untyped> untyped(EntryHead& entry) {
  retain(&entry);
  return Ref<Untyped>::adopt(&entry);
}

// All refs in order; throws Error(invalid_argument) for an empty one.
template <class... Xs>
std::vector<EntryHead*> entries_in(const Xs&... xs) {
  std::vector<EntryHead*> entries;
  auto add = [&](const auto& ref) { entries.push_back(&ref.entry()); };
  (Collect<Xs>::each(xs, add), ...);
  return entries;
}
template <class... Xs>
std::vector<Ref<Untyped>> refs_in(const Xs&... xs) {
  std::vector<Ref<Untyped>> refs;
  auto add = [&](const auto& ref) { refs.push_back(untyped(ref.entry())); };
  (Collect<Xs>::each(xs, add), ...);
  return refs;
}

}  // namespace manta::detail
