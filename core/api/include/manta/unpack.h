// One result in parts: a Ref of a tuple or pair as a Ref of each.
#pragma once

#include <manta/detail/require_cpp20.h>

#include <cstddef>
#include <tuple>
#include <utility>

#include <manta/function.h>
#include <manta/options.h>
#include <manta/ref.h>
#include <manta/remote.h>

namespace manta {

namespace detail {

template <std::size_t I, class Tuple>
std::tuple_element_t<I, Tuple> element_of(const Tuple& tuple) {
  return std::get<I>(tuple);
}

template <class File, class Tuple, std::size_t... I>
auto unpack(const Ref<Tuple>& whole, std::index_sequence<I...>) {
  constexpr TaskOptions options{.num_cpus = 0, .max_retries = -1, .name = "unpack"};
  return std::tuple(remote<&element_of<I, Tuple>, File>.options(options)(whole)...);
}

}  // namespace detail

///     std::pair<Matrix, Labels> load(std::string path);
///     auto [matrix, labels] = manta::unpack(manta::remote<load>("train.csv"));   // Ref<Matrix>, Ref<Labels>
///
/// So that each part goes only where it is needed, and is freed when its last Ref is gone. A part is made of the whole
/// by a small task that takes no CPU, as soon as the whole is there; the whole lives until the last of them is done.
/// Where the task failed, so does each part, with its error.
///
/// Threading and errors: as remote<f>.
template <class... Ts, class File = ThisFile>
std::tuple<Ref<Ts>...> unpack(const Ref<std::tuple<Ts...>>& whole) {
  return detail::unpack<File>(whole, std::index_sequence_for<Ts...>());
}
template <class A, class B, class File = ThisFile>
std::tuple<Ref<A>, Ref<B>> unpack(const Ref<std::pair<A, B>>& whole) {
  return detail::unpack<File>(whole, std::index_sequence<0, 1>());
}

}  // namespace manta
