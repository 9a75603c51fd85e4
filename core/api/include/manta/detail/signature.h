// Results and parameters of functions and function objects, as types.
#pragma once

#include <manta/detail/require_cpp20.h>

#include <cstddef>
#include <memory>
#include <type_traits>

namespace manta::detail {

struct Arguments;

template <class... Ts>
struct Types {
  static constexpr std::size_t size = sizeof...(Ts);
};

// Parameters that the runtime supplies in the worker, not the caller. To add one (a stop token, say), specialise with
// value = true and static T make(Arguments&).
template <class T>
struct Injected : std::false_type {};

// What a result of type R is as a value: of a Task<T> (task.h) the T.
template <class R>
inline constexpr bool is_task = false;
template <class R>
struct ResultOf {
  using type = std::remove_cvref_t<R>;
};
template <class R>
using ValueOf = typename ResultOf<R>::type;

// R and Parameters of F; valid is false where F is no function, or has no one signature (overloads, auto parameters).
template <class F>
struct SignatureOf {
  static constexpr bool valid = false;
};
template <class R, class... Ps>
struct SignatureOf<R(Ps...)> {
  static constexpr bool valid = true;
  using Result = R;
  using Parameters = Types<Ps...>;
};
template <class R, class... Ps>
struct SignatureOf<R (*)(Ps...)> : SignatureOf<R(Ps...)> {};
template <class R, class... Ps>
struct SignatureOf<R (*)(Ps...) noexcept> : SignatureOf<R(Ps...)> {};
// Of a call operator. (Methods themselves have none: they need an object.)
template <class M>
struct CallOperator {
  static constexpr bool valid = false;
};
template <class C, class R, class... Ps>
struct CallOperator<R (C::*)(Ps...)> : SignatureOf<R(Ps...)> {};
template <class C, class R, class... Ps>
struct CallOperator<R (C::*)(Ps...) const> : SignatureOf<R(Ps...)> {};
template <class C, class R, class... Ps>
struct CallOperator<R (C::*)(Ps...)&> : SignatureOf<R(Ps...)> {};
template <class C, class R, class... Ps>
struct CallOperator<R (C::*)(Ps...) const&> : SignatureOf<R(Ps...)> {};
template <class C, class R, class... Ps>
struct CallOperator<R (C::*)(Ps...) noexcept> : SignatureOf<R(Ps...)> {};
template <class C, class R, class... Ps>
struct CallOperator<R (C::*)(Ps...) const noexcept> : SignatureOf<R(Ps...)> {};
template <class C, class R, class... Ps>
struct CallOperator<R (C::*)(Ps...)& noexcept> : SignatureOf<R(Ps...)> {};
template <class C, class R, class... Ps>
struct CallOperator<R (C::*)(Ps...) const& noexcept> : SignatureOf<R(Ps...)> {};
template <class F>
requires requires { &F::operator(); }
struct SignatureOf<F> : CallOperator<decltype(&F::operator())> {};
template <class F>
struct SignatureOf<const F> : SignatureOf<F> {};

// The parameters that the caller gives, in order.
template <class Given, class... Ps>
struct WithoutInjected {
  using type = Given;
};
template <class... Given, class P, class... Ps>
struct WithoutInjected<Types<Given...>, P, Ps...>
    : WithoutInjected<std::conditional_t<Injected<std::remove_cvref_t<P>>::value, Types<Given...>, Types<Given..., P>>,
                      Ps...> {};
template <class Parameters>
struct GivenOf;
template <class... Ps>
struct GivenOf<Types<Ps...>> : WithoutInjected<Types<>, Ps...> {};
template <class Parameters>
using Given = typename GivenOf<Parameters>::type;

// Parameter P, given as a Ref to an X, which converts to it without loss. Decoded as X.
template <class X, class P>
struct FromRef {};

// Parameter const X&, given as a Ref to an X: the decoded object may be shared (see shared_value.h).
template <class X>
struct SharedRef {};

// What of parameter P is kept while the call runs.
template <class P>
struct StoredParameter {
  using Parameter = P;
  using type = std::remove_cvref_t<P>;
};
template <class X, class P>
struct StoredParameter<FromRef<X, P>> : StoredParameter<P> {};
template <class X>
struct StoredParameter<SharedRef<X>> {
  using Parameter = const X&;
  using type = std::shared_ptr<const X>;
};
template <class P>
using Stored = typename StoredParameter<P>::type;

// Index of parameter I among those.
template <std::size_t I, class... Ps>
inline constexpr std::size_t transport_index = [] {
  std::size_t index = 0;
  std::size_t i = 0;
  ((index += i++ < I && !Injected<std::remove_cvref_t<Ps>>::value ? 1 : 0), ...);
  return index;
}();

}  // namespace manta::detail
