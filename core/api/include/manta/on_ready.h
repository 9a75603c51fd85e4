// Completion callbacks.
#pragma once

#include <manta/detail/require_cpp20.h>

#include <memory>
#include <type_traits>
#include <utility>

#include <manta/detail/runtime_api.h>
#include <manta/error.h>
#include <manta/get.h>
#include <manta/ref.h>

namespace manta {

namespace detail {

/// What is done once when an entry is resolved.
class ReadyCallback {
 public:
  virtual ~ReadyCallback() = default;
  /// ended: the runtime ended before; null: the entry is resolved.
  virtual void run(const Error* ended) = 0;
};

/// Takes a reference of its own.
void call_when_ready(EntryHead& entry, std::unique_ptr<ReadyCallback> callback);
/// Runs callbacks whose value is there, then the others with an error; returns when the last is done. None can be added
/// from then on. Called by the runtime's end, and once for each runtime.
void end_callbacks();

/// The value, or the error in place of it.
template <class T>
Result<T> result_of(const Ref<T>& ref, const Error* ended) {
  if (ended != nullptr) return tl::unexpected<Error>(*ended);
  return try_get(ref);
}

template <class T, class F>
class ResultCallback final : public ReadyCallback {
 public:
  ResultCallback(const Ref<T>& ref, F function) : ref_(ref), function_(std::move(function)) {}
  void run(const Error* ended) override { std::move(function_)(result_of(ref_, ended)); }

 private:
  Ref<T> ref_;
  F function_;
};

}  // namespace detail

/// Calls f(result) once, when the ref's value or error is there, also where it is already. result is a
/// manta::Result<T>. Dropping the Ref changes nothing.
///
/// **Threading**: f runs in one thread of Manta, the process' callback thread, one call after the other; on_ready
/// itself returns at once. f may call Manta (get of a ready ref, remote, on_ready), but what blocks holds up all other
/// callbacks: hand long work on, to a task or to a thread of your own. It must not end the Runtime.
/// **Ownership**: f is moved in, and destroyed in that thread after its call; it may be move-only.
/// What f throws is logged as an error and dropped, since no caller is left to tell.
/// The end of the Runtime first runs the callbacks that are due, then each of the others with Error(unavailable), and
/// waits for the last. In a worker, those that are left when its process ends are not called.
/// **Errors**: throws Error(invalid_argument) for an empty Ref, unavailable without a runtime.
///
///     manta::on_ready(ref, [](manta::Result<int> result) {
///       if (result) std::printf("%d\n", *result);
///     });
template <class T, class F>
void on_ready(const Ref<T>& ref, F&& f) {
  using Function = std::decay_t<F>;
  constexpr bool takes_result = std::is_invocable_v<Function&&, Result<T>>;
  static_assert(takes_result, "manta: on_ready(ref, f): f takes one argument, a manta::Result<T> of the Ref<T>");
  if constexpr (takes_result) {
    detail::call_when_ready(ref.entry(),
                            std::make_unique<detail::ResultCallback<T, Function>>(ref, std::forward<F>(f)));
  }
}

}  // namespace manta
