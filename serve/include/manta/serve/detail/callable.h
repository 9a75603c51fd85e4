// What a deployment's operator() takes and returns. Internal: everything here may change.
#pragma once

#include <concepts>
#include <stop_token>
#include <string>
#include <type_traits>
#include <vector>

#include <manta/error.h>
#include <manta/serve/batch.h>
#include <manta/serve/http.h>
#include <manta/serve/inference.h>
#include <manta/serve/json.h>

namespace manta::serve::detail {

template <class M>
struct OperatorOf {
  static constexpr bool known = false;
};
template <class D, class R, class A>
struct OperatorOf<R (D::*)(A)> {
  static constexpr bool known = true;
  static constexpr bool stops = false;  // takes a std::stop_token
  using Result = std::remove_cvref_t<R>;
  using Argument = std::remove_cvref_t<A>;
};
template <class D, class R, class A>
struct OperatorOf<R (D::*)(A) const> : OperatorOf<R (D::*)(A)> {};
template <class D, class R, class A>
struct OperatorOf<R (D::*)(A, std::stop_token)> : OperatorOf<R (D::*)(A)> {
  static constexpr bool stops = true;
};
template <class D, class R, class A>
struct OperatorOf<R (D::*)(A, std::stop_token) const> : OperatorOf<R (D::*)(A, std::stop_token)> {};

template <class D>
concept HasOneOperator = requires {
  &D::operator();
}
&&OperatorOf<decltype(&D::operator())>::known;

template <class T>
inline constexpr bool is_result = false;
template <class T>
inline constexpr bool is_result<manta::Result<T>> = true;

template <class A>
struct BatchOf {
  static constexpr bool batched = false;
  using Item = A;
};
template <class A>
struct BatchOf<Batch<A>> {
  static constexpr bool batched = true;
  using Item = A;
};
template <class T>
struct ItemOf {
  using type = T;
};
template <class T>
struct ItemOf<manta::Result<T>> {
  using type = T;
};

// The types of one request and of one answer of a class D.
template <class D>
struct Callable {
  static_assert(HasOneOperator<D>,
                "manta: a deployment is a class with one operator() of one parameter: a type that "
                "nlohmann::json converts, serve::Request, serve::InferenceRequest, or a serve::Batch of one; "
                "a std::stop_token may follow");
  using Operator = OperatorOf<decltype(&D::operator())>;
  static constexpr bool batched = BatchOf<typename Operator::Argument>::batched;
  using Argument = typename BatchOf<typename Operator::Argument>::Item;
  static constexpr bool vector = requires { typename Operator::Result::value_type; };
  static auto answer() {
    if constexpr (batched) {
      static_assert(vector,
                    "manta: a deployment that takes a serve::Batch returns a std::vector, an answer for each request");
      return ItemOf<typename Operator::Result::value_type>();
    } else {
      return ItemOf<typename Operator::Result>();
    }
  }
  using Answer = typename decltype(answer())::type;
  static constexpr bool model = std::is_same_v<Argument, InferenceRequest>;
  static constexpr bool raw = std::is_same_v<Argument, Request>;
  static_assert(!model || std::is_same_v<Answer, InferenceResponse>,
                "manta: a deployment that takes serve::InferenceRequest returns serve::InferenceResponse");
};

}  // namespace manta::serve::detail
