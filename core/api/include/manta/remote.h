// Calling functions and function objects as tasks.
#pragma once

#include <manta/detail/require_cpp20.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include <manta/detail/call_checks.h>
#include <manta/detail/closure.h>
#include <manta/detail/runtime_api.h>
#include <manta/function.h>
#include <manta/options.h>
#include <manta/ref.h>
#include <manta/serialize.h>
#include <manta/stream.h>

namespace manta {

namespace detail {

[[noreturn]] void throw_empty_argument(std::size_t position);

/// Collects the arguments of one call: values are encoded, references recorded.
template <std::size_t N>
struct CallArguments {
  serial::Writer values;
  std::uint32_t ref_mask = 0;
  std::size_t ref_count = 0;
  std::array<EntryHead*, N == 0 ? 1 : N> references;

  template <class P, class A>
  void add(std::size_t index, const A& argument) {
    if constexpr (std::is_same_v<A, std::remove_cvref_t<P>>) {
      values(argument);
    } else {  // a Ref to a value of P
      EntryHead* entry = argument.entry_or_null();
      if (entry == nullptr) [[unlikely]]
        throw_empty_argument(index + 1);
      ref_mask |= std::uint32_t{1} << index;
      references[ref_count++] = entry;
    }
  }
};

/// The argument in the form that is sent: itself where its type is the parameter's or a Ref to it, else converted.
template <class P, class A>
decltype(auto) as_sent(A&& argument, std::size_t index) {
  using Value = std::remove_cvref_t<P>;
  using Given = std::remove_cvref_t<A>;
  if constexpr (std::is_same_v<Given, Value> || passed_by_reference<Value, A>) {
    return static_cast<const Given&>(argument);
  } else {
    return converted<Value>(std::forward<A>(argument), index);
  }
}

template <bool Streams, class... Ps, class... As>
EntryHead* submit_sent(FunctionId function, const TaskOptions& options, Types<Ps...>, const As&... arguments) {
  CallArguments<sizeof...(Ps)> call;
  if constexpr (Streams) call.values(options.stream_buffer);
  std::size_t index = 0;
  (call.template add<Ps>(index++, arguments), ...);
  return submit(
      {function, options, call.values, call.ref_mask, std::span(call.references.data(), call.ref_count), Streams});
}

template <bool Streams, class... Ps, class... As>
EntryHead* submit_call(FunctionId function, const TaskOptions& options, Types<Ps...> parameters, As&&... arguments) {
  // What as_sent converts lives until the end of this expression, hence until it is encoded.
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return submit_sent<Streams>(function, options, parameters, as_sent<Ps>(std::forward<As>(arguments), I)...);
  }
  (std::index_sequence_for<As...>());
}

inline constexpr TaskOptions kDefaultTaskOptions{};

/// The template argument of remote<>.
struct Deduced {};

}  // namespace detail

/// remote<f>(arguments...) runs f as a task, on some worker, once its arguments are there.
///
/// f is a function (of overloads: remote<static_cast<int (*)(int)>(&f)>) or a lambda without captures. An argument is a
/// value that converts to the parameter's type, or a Ref to that type, in which case the task waits for it and receives
/// the value. Of a stored value (64 KiB and more) a parameter `const T&` is not copied: a std::vector of numbers lies
/// in the store, other objects are decoded once for all tasks of the process, so their const members must be safe to
/// use from several threads; a parameter T is the task's own. manta::Array<T> reads stored vectors, matrices and
/// tensors in place. A Ref<T> also stands for a parameter of a wider number type (Ref<int> for long), of std::optional
/// of these, and a Ref to an actor's handle for that of its base. A number that the parameter's type cannot hold (1001
/// for unsigned char, -1 for size_t, 2.5 for int) is refused. A parameter that is itself a Ref receives the Ref. The
/// result is a Ref<R> (Ref<void> for void); it may be dropped, the task runs nevertheless. Of a Generator<T> it is a
/// Stream<T>.
///
/// **Threading**: any thread, also inside tasks. Does not block, except where a bounded queue is full.
/// **Errors**: throws Error(invalid_argument) for an empty Ref and what encoding throws; unavailable where there is no
/// runtime; exhausted where the store is full. What f throws arrives at get().
///
///     manta::Ref<int> four = manta::remote<square>(2);
///     auto fold = manta::remote<train_fold>.options({.num_cpus = 2, .max_retries = 3})(data, 7);
template <auto F, class File = ThisFile>
class RemoteFunction {
 public:
  /// The same function with options; the strings in them must outlive the call.
  class WithOptions {
   public:
    constexpr explicit WithOptions(const TaskOptions& options) : options_(options) {}
    template <class... As>
    auto operator()(As&&... arguments) const {
      return call(options_, std::forward<As>(arguments)...);
    }

   private:
    TaskOptions options_;
  };

  template <class... As>
  auto operator()(As&&... arguments) const {
    return call(detail::kDefaultTaskOptions, std::forward<As>(arguments)...);
  }
  [[nodiscard("call it: remote<f>.options({...})(arguments...)")]] constexpr WithOptions options(
      const TaskOptions& options) const {
    return WithOptions(options);
  }

 private:
  template <class... As>
  static auto call(const TaskOptions& options, As&&... arguments) {
    // Without the condition, g++ would go on and bury our message.
    if constexpr (detail::check_call<decltype(F), As...>()) {
      using Signature = detail::SignatureOf<decltype(F)>;
      using Result = std::remove_cvref_t<typename Signature::Result>;
      return detail::CallResult<detail::ValueOf<Result>>::type::adopt(detail::submit_call<detail::is_generator<Result>>(
          detail::Registration<F, File, detail::Sent<typename Signature::Parameters, As...>>::id, options,
          detail::Given<typename Signature::Parameters>(), std::forward<As>(arguments)...));
    }
  }
};

/// What remote<>(f) returns: a copy of the function object f, to be called as a task, as often as one likes.
template <class F, class File>
class RemoteClosure {
 public:
  explicit RemoteClosure(F function) {
    if constexpr (detail::travels_as_bytes<F>) {
      detail::refuse_stack_addresses(&function, sizeof(F), detail::class_label<F>());
    }
    closure_.function.emplace(std::move(function));
  }

  /// Runs f(arguments...) as a task; arguments and result as those of remote<f>.
  template <class... As>
  auto operator()(As&&... arguments) const {
    if constexpr (detail::check_call<F, As...>()) {
      using Signature = detail::SignatureOf<F>;
      using Result = std::remove_cvref_t<typename Signature::Result>;
      using Sent = detail::Sent<typename Signature::Parameters, As...>;
      return detail::CallResult<detail::ValueOf<Result>>::type::adopt(detail::submit_call<detail::is_generator<Result>>(
          detail::Registered<detail::ClosureCallee<F, File, Sent>>::id, options_,
          typename detail::WithClosure<detail::Given<typename Signature::Parameters>, F>::type(),
          std::forward<As>(arguments)..., closure_));
    }
  }
  /// The same with options; the strings in them must outlive the call.
  [[nodiscard("call it: remote<>(f).options({...})(arguments...)")]] RemoteClosure options(
      const TaskOptions& options) const& {
    return RemoteClosure(*this).options(options);
  }
  [[nodiscard("call it: remote<>(f).options({...})(arguments...)")]] RemoteClosure options(
      const TaskOptions& options) && {
    options_ = options;
    return std::move(*this);
  }

 private:
  detail::Closure<F> closure_;
  TaskOptions options_;
};

/// remote<>(f)(arguments...) runs a function object f as a task: a lambda, also with captures, or a struct with an
/// operator(). It travels to the worker with the arguments, by value; each attempt of the task has a copy of its own,
/// so what a `mutable` lambda changes is gone with it. Options, retries and lineage are those of remote<f>.
///
/// What can travel:
///   - a lambda without captures;
///   - a lambda whose captures are plain bytes (numbers, enums, bool, arrays and structs of such), which are copied;
///   - a struct with an operator() whose type is serialisable, as an argument's is: for a std::string, a vector, a Ref.
/// A lambda that captures a std::string, a vector, a Ref or the like does not compile: C++ cannot list captures. Pass
/// them as arguments, or write the struct. **A captured pointer, reference or `this` means nothing in another
/// process**, and C++ cannot tell it from a number: where it is an address on the calling thread's stack ([&x] of a
/// local x), the call throws Error(invalid_argument); other addresses (heap, globals, string literals) pass unnoticed.
///
/// Threading, blocking and errors: as remote<f>.
///
///     double rate = 0.1;
///     manta::Ref<double> cost = manta::remote<>([rate](double x) { return rate * x; })(3.0);
///
///     struct Scale {
///       std::vector<double> weights;
///       double operator()(int i) const { return 2 * weights.at(i); }
///     };
///     auto scale = manta::remote<>(Scale{{1, 2, 3}}).options({.max_retries = 5});
///     manta::Ref<double> four = scale(1);
template <class File>
class RemoteFunction<detail::Deduced{}, File> {
 public:
  template <class F>
  auto operator()(F&& function) const {
    if constexpr (detail::check_closure<std::decay_t<F>>()) {
      return RemoteClosure<std::decay_t<F>, File>(std::forward<F>(function));
    }
  }
};

template <auto F = detail::Deduced{}, class File = ThisFile>
inline constexpr RemoteFunction<F, File> remote{};

}  // namespace manta
