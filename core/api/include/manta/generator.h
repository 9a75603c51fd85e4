// A function that yields a row of values: as a task or an actor's method its items reach the caller as they come.
#pragma once

#include <manta/detail/require_cpp20.h>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace manta {

namespace detail {

// g++ 12 destroys a temporary of an aggregate in a co_yield expression twice.
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 14
template <class U>
inline constexpr bool destroyed_twice = !std::is_lvalue_reference_v<U> && std::is_aggregate_v<std::remove_cvref_t<U>> &&
                                        !std::is_trivially_destructible_v<std::remove_cvref_t<U>>;
#else
template <class U>
inline constexpr bool destroyed_twice = false;
#endif

/// What moved() makes.
template <class T>
struct Moved {
  T* value;
};

}  // namespace detail

/// For co_yield of a variable that is not needed any more: its content goes into the item without a copy.
template <class T>
requires(!std::is_const_v<T>) [[nodiscard]] constexpr detail::Moved<T> moved(T& value) noexcept {
  return {std::addressof(value)};
}

/// Returned by a coroutine that yields values of T; remote<f> of it, and call<&C::f>, return a Stream<T>. It runs only
/// while its reader asks for a next value, and may go on for ever.
///
/// As a task: **parameters may be references**, the decoded arguments (and an actor's object) live until the coroutine
/// is destroyed. Called directly, the usual rule of coroutines holds: what a reference refers to must outlive the
/// generator. When the reader wants no further items, the coroutine is destroyed at a co_yield, which runs the
/// destructors of its locals. With g++ 12 and 13 an aggregate with a destructor is given a name first:
///
///     manta::Generator<Batch> batches(std::string path) {
///       for (Reader reader(path); reader.more();) {
///         Batch batch{reader.rows(), reader.labels()};
///         co_yield manta::moved(batch);  // or co_yield batch, which copies
///       }
///     }
///
/// **Threading**: one thread at a time. **Ownership**: owns the coroutine; movable. **Errors**: what the coroutine
/// throws arrives at the next() that would have returned what came next; after that it has ended.
template <class T>
class [[nodiscard]] Generator {
  static_assert(std::is_object_v<T> && std::is_same_v<T, std::remove_cv_t<T>>,
                "manta: a Generator yields values of a plain type, without const or &");

 public:
  using value_type = T;
  class promise_type;
  class Iterator;

  Generator() noexcept = default;
  Generator(Generator&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  Generator& operator=(Generator&& other) noexcept {
    std::swap(coroutine_, other.coroutine_);
    return *this;
  }
  ~Generator() {
    if (coroutine_) coroutine_.destroy();
  }

  /// Resumes it; nothing: it has ended. The value is moved out.
  std::optional<T> next() {
    if (!coroutine_ || coroutine_.done()) return std::nullopt;
    promise_type& promise = coroutine_.promise();
    promise.value_.reset();
    coroutine_.resume();
    if (promise.exception_) std::rethrow_exception(std::exchange(promise.exception_, nullptr));
    return std::move(promise.value_);
  }
  /// Once, over what is left.
  Iterator begin() { return Iterator(*this); }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  explicit Generator(std::coroutine_handle<promise_type> coroutine) noexcept : coroutine_(coroutine) {}

  std::coroutine_handle<promise_type> coroutine_;
};

template <class T>
class Generator<T>::promise_type {
 public:
  Generator get_return_object() noexcept { return Generator(std::coroutine_handle<promise_type>::from_promise(*this)); }
  std::suspend_always initial_suspend() const noexcept { return {}; }
  std::suspend_always final_suspend() const noexcept { return {}; }
  template <class U = T>
  requires std::constructible_from<T, U> std::suspend_always yield_value(U&& value) {
    static_assert(!detail::destroyed_twice<U>,
                  "manta: this compiler destroys a temporary aggregate in co_yield twice: give it a name, and write "
                  "co_yield name or co_yield manta::moved(name)");
    value_.emplace(std::forward<U>(value));
    return {};
  }
  template <class U>
  std::suspend_always yield_value(detail::Moved<U> value) {
    value_.emplace(std::move(*value.value));
    return {};
  }
  void return_void() const noexcept {}
  void unhandled_exception() noexcept {
    value_.reset();
    exception_ = std::current_exception();
  }
  /// It may wait, with get(), but not co_await.
  template <class Awaited>
  void await_transform(Awaited&&) = delete;

 private:
  friend Generator;
  std::optional<T> value_;
  std::exception_ptr exception_;
};

template <class T>
class Generator<T>::Iterator {
 public:
  using iterator_concept = std::input_iterator_tag;
  using difference_type = std::ptrdiff_t;
  using value_type = T;

  T& operator*() const { return *value_; }
  Iterator& operator++() {
    value_ = generator_->next();
    return *this;
  }
  void operator++(int) { ++*this; }
  friend bool operator==(const Iterator& iterator, std::default_sentinel_t) { return !iterator.value_.has_value(); }

 private:
  friend Generator;
  explicit Iterator(Generator& generator) : generator_(&generator), value_(generator.next()) {}

  Generator* generator_;
  mutable std::optional<T> value_;
};

namespace detail {

template <class T>
inline constexpr bool is_generator = false;
template <class T>
inline constexpr bool is_generator<Generator<T>> = true;

}  // namespace detail
}  // namespace manta
