// Registration of functions: how a template argument becomes an id that another process of this program understands.
//
// Each module (the program, each shared library) has a table of the functions that its code names in remote<f>. An
// entry is registered while the module's static variables are initialised, in the order that the linker fixed: the same
// file, loaded by another process, gives the same index. The id holds the module's build id too: a different program is
// noticed. A plug-in that is loaded by dlopen must share Manta's code with the program that loads it (link the program
// with -rdynamic, or both with a shared library of Manta), and the workers must load it too.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <manta/detail/coroutine_call.h>
#include <manta/detail/function_entry.h>
#include <manta/detail/label.h>
#include <manta/detail/runtime_api.h>
#include <manta/detail/shared_value.h>
#include <manta/detail/signature.h>
#include <manta/detail/stop_token.h>
#include <manta/detail/stream_api.h>
#include <manta/generator.h>
#include <manta/serialize.h>

namespace manta {

namespace {
/// Differs in each source file. It makes instantiations that name a function local to their file, because g++ 12
/// otherwise merges those for members of same-named local or anonymous-namespace classes of two files, and then calls
/// the wrong one.
struct ThisFile {};
}  // namespace

namespace detail {

/// Hidden: each module has its own, however it was loaded. Weak, not inline: lld 14 loses a hidden inline variable
/// where some files of a program are compiled with -flto and others are not. (So several files run its destructor.)
[[gnu::weak, gnu::visibility("hidden")]] constinit ModuleTable module_table;

/// The position among the references of what parameter `index` was given as.
inline std::size_t reference_of(const Arguments& arguments, std::size_t index) {
  return static_cast<std::size_t>(std::popcount(arguments.ref_mask & ((std::uint32_t{1} << index) - 1)));
}

/// Decodes parameter P, the next one from the arguments; index counts those that are not injected.
template <class P>
struct ParameterTaker {
  using Value = std::remove_cvref_t<P>;
  static Value take(Arguments& arguments, std::size_t index) {
    if constexpr (Injected<Value>::value) {
      return Injected<Value>::make(arguments);
    } else if ((arguments.ref_mask >> index & 1) == 0) {
      return serial::decode<Value>(*arguments.values);
    } else {
      serial::Reader& reader = arguments.references[reference_of(arguments, index)];
      Value value = serial::decode<Value>(reader);
      reader.finish();
      return value;
    }
  }
};
template <class X, class P>
struct ParameterTaker<FromRef<X, P>> {
  static Stored<P> take(Arguments& arguments, std::size_t index) {
    if constexpr (Reads<Stored<P>, X>) {
      return read_as<Stored<P>, X>(arguments.views[reference_of(arguments, index)]);
    } else {
      return static_cast<Stored<P>>(ParameterTaker<X>::take(arguments, index));
    }
  }
};
template <class X>
struct ParameterTaker<SharedRef<X>> {
  static std::shared_ptr<const X> take(Arguments& arguments, std::size_t index) {
    return shared_value<X>(arguments.views[reference_of(arguments, index)]);
  }
};
template <class P>
Stored<P> take_parameter(Arguments& arguments, std::size_t index) {
  return ParameterTaker<P>::take(arguments, index);
}

/// Encodes what make() returns; the writer keeps the value where its encoding may refer to it.
template <class Make>
void encode_result(serial::Writer& result, Make&& make) {
  using R = std::invoke_result_t<Make>;
  if constexpr (std::is_void_v<R>) {
    std::forward<Make>(make)();
  } else if constexpr (serial::detail::may_be_large<std::remove_cvref_t<R>>) {
    result(result.emplace([&]() -> std::remove_cvref_t<R> { return std::forward<Make>(make)(); }));
  } else {
    const auto& value = std::forward<Make>(make)();
    result(value);
  }
}

/// A value or rvalue reference parameter takes the decoded object over.
template <class P>
inline constexpr bool is_shared_ref = false;
template <class X>
inline constexpr bool is_shared_ref<SharedRef<X>> = true;
template <class P, class V>
decltype(auto) pass_parameter(V& value) {
  if constexpr (is_shared_ref<P>) {
    return *value;
  } else if constexpr (std::is_lvalue_reference_v<typename StoredParameter<P>::Parameter>) {
    return std::as_const(value);
  } else {
    return std::move(value);
  }
}

/// How coroutines are called: see task.h.
template <class Callee, class T, class Parameters>
class StartedCall;
template <class T>
class TaskRun;
template <class Callee, class T, class Parameters>
struct CoroutineThunk;

/// Runs the generator that make() returns to its end, or until the reader wants no more items. It has no other result.
template <class Make>
void yield_items(ItemSink& items, std::uint32_t buffer, Make&& make) {
  auto generator = std::forward<Make>(make)();
  using T = typename decltype(generator)::value_type;
  struct End {
    ItemSink& items;
    ~End() { items.end(); }
  };
  items.begin(buffer);
  const End end{items};  // also where it throws: what it has yielded arrives before
  serial::Writer writer;
  while (const std::optional<T> item = generator.next()) {
    writer(*item);
    if (!items.put(writer)) return;
    writer.clear();
  }
}

/// A Callee says what is called: its Parameters and Result, call(arguments, values...) and name(), for people.
template <class Callee, class Parameters = typename Callee::Parameters>
struct Thunk;
template <class Callee, class... Ps>
struct Thunk<Callee, Types<Ps...>> {
  static void invoke(Arguments& arguments, serial::Writer& result) {
    if constexpr (is_task<typename Callee::Result>) {
      CoroutineThunk<Callee, ValueOf<typename Callee::Result>, Types<Ps...>>::invoke(arguments, result);
    } else {
      invoke(arguments, result, std::index_sequence_for<Ps...>());
    }
  }

 private:
  template <std::size_t... I>
  static void invoke(Arguments& arguments, serial::Writer& result, std::index_sequence<I...>) {
    using R = typename Callee::Result;
    std::uint32_t buffer = 0;
    if constexpr (is_generator<R>) buffer = serial::decode<std::uint32_t>(*arguments.values);
    // Braces: evaluated in order, as they were encoded.
    std::tuple<Stored<Ps>...> values{take_parameter<Ps>(arguments, transport_index<I, Ps...>)...};
    if (arguments.values != nullptr) arguments.values->finish();
    const auto make = [&]() -> decltype(auto) {
      return Callee::call(arguments, pass_parameter<Ps>(std::get<I>(values))...);
    };
    if constexpr (is_generator<R>) {
      yield_items(*arguments.items, buffer, make);
    } else {
      encode_result(result, make);
    }
  }
};

/// Sent: its parameters, with FromRef where a call gives a Ref to another type.
template <auto F, class File, class Sent = typename SignatureOf<decltype(F)>::Parameters>
struct FunctionCallee {
  using Parameters = Sent;
  using Result = std::remove_cvref_t<typename SignatureOf<decltype(F)>::Result>;
  template <class... Vs>
  static decltype(auto) call(Arguments&, Vs&&... values) {
    return F(std::forward<Vs>(values)...);
  }
  static std::string_view name() { return function_label<F, File>(); }
};

/// The entry of a callee in this module's table. Naming id (in code that is instantiated) is what registers it.
template <class Callee>
struct Registered {
  static std::string_view name() { return Callee::name(); }
  static const FunctionEntry entry;
  static const FunctionId id;

 private:
  static inline char tag = 0;
};
template <class Callee>
constinit const FunctionEntry Registered<Callee>::entry{&tag, &Thunk<Callee>::invoke, &Callee::name};
template <class Callee>
const FunctionId Registered<Callee>::id = [] {
  if constexpr (requires { Callee::registered(); }) Callee::registered();
  return module_table.add(entry);
}();

template <auto F, class File, class Sent = typename SignatureOf<decltype(F)>::Parameters>
using Registration = Registered<FunctionCallee<F, File, Sent>>;

}  // namespace detail
}  // namespace manta
