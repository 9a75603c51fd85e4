// Calling functions as tasks.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include <manta/detail/call_checks.h>
#include <manta/detail/runtime_api.h>
#include <manta/function.h>
#include <manta/options.h>
#include <manta/ref.h>
#include <manta/serialize.h>
#include <manta/stream.h>

namespace manta {

namespace detail {

[[noreturn]] void throw_empty_argument(std::size_t position);

// Collects the arguments of one call: values are encoded, references recorded.
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

// The argument in the form that is sent: itself where its type is the parameter's or a Ref to it, else converted.
template <class P, class A>
decltype(auto) as_sent(A&& argument) {
  using Value = std::remove_cvref_t<P>;
  using Given = std::remove_cvref_t<A>;
  if constexpr (std::is_same_v<Given, Value> || passed_by_reference<Value, A>) {
    return static_cast<const Given&>(argument);
  } else {
    return static_cast<Value>(std::forward<A>(argument));
  }
}

template <bool Streams, class... Ps, class... As>
EntryHead* submit_sent(FunctionId function, const TaskOptions& options, Types<Ps...>, const As&... arguments) {
  CallArguments<sizeof...(Ps)> call;
  if constexpr (Streams) call.values(options.stream_buffer);
  std::size_t index = 0;
  (call.template add<Ps>(index++, arguments), ...);
  return submit({function, options, call.values, call.ref_mask, std::span(call.references.data(), call.ref_count),
                 Streams});
}

template <bool Streams, class... Ps, class... As>
EntryHead* submit_call(FunctionId function, const TaskOptions& options, Types<Ps...> parameters, As&&... arguments) {
  // What as_sent converts lives until the end of this expression, hence until it is encoded.
  return submit_sent<Streams>(function, options, parameters, as_sent<Ps>(std::forward<As>(arguments))...);
}

inline constexpr TaskOptions kDefaultTaskOptions{};

}  // namespace detail

// remote<f>(arguments...) runs f as a task, on some worker, once its arguments are there.
//
// f is a function (of overloads: remote<static_cast<int (*)(int)>(&f)>) or a lambda without captures. An argument is a
// value that converts to the parameter's type, or a Ref to exactly that type, in which case the task waits for it and
// receives the value. A parameter that is itself a Ref receives the Ref. The result is a Ref<R> (Ref<void> for void);
// dropping it is allowed, the task runs nevertheless. Of a Generator<T> it is a Stream<T>.
//
// Threading: any thread, also inside tasks. Does not block, except where a bounded queue is full.
// Errors: throws Error(invalid_argument) for an empty Ref and what encoding throws; unavailable where there is no
// runtime; exhausted where the store is full. What f throws arrives at get().
//
//   manta::Ref<int> four = manta::remote<square>(2);
//   auto fold = manta::remote<train_fold>.options({.num_cpus = 2, .max_retries = 3})(data, 7);
template <auto F, class File = ThisFile>
class RemoteFunction {
 public:
  // The same function with options; the strings in them must outlive the call.
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
      return detail::CallResult<detail::ValueOf<Result>>::type::adopt(
          detail::submit_call<detail::is_generator<Result>>(detail::Registration<F, File>::id, options,
                                                            detail::Given<typename Signature::Parameters>(),
                                                            std::forward<As>(arguments)...));
    }
  }
};

template <auto F, class File = ThisFile>
inline constexpr RemoteFunction<F, File> remote{};

}  // namespace manta
