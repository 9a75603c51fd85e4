// Ending tasks and calls before their time.
#pragma once

#include <manta/detail/require_cpp20.h>

#include <manta/detail/runtime_api.h>
#include <manta/ref.h>

namespace manta {

/// For cancel().
struct CancelOptions {
  bool force = false;     ///< a task that has started: its worker process is killed
  bool recursive = true;  ///< what it has submitted, as far as it is not done, is cancelled too, dropped Refs or not
};

/// Cancels the task or the call of an actor whose result the ref is. Returns at once; get() then throws
/// Error(cancelled), as it does for tasks that take the ref as an argument. Nothing happens where the result is there
/// already, hence to what was put.
///
/// A task that has not started never starts, wherever it waits. One that has started is asked to stop: a
/// std::stop_token among its function's parameters (the caller does not pass it) says so, and its waits in get, wait
/// and as_completed throw Error(cancelled), unless what they wait for is there; a generator ends at its next co_yield.
/// It ends as cancelled with whatever exception it ends; a value that it returns counts. Callbacks of the token run in
/// a thread of Manta and must not block. Cancelled tasks are not repeated. TaskOptions::timeout cancels what takes too
/// long.
///
/// force: objects that the killed process owns and that no other process borrows are lost. A task that runs on the
/// stack of a waiting task is only asked to stop, and the waiting task ends no sooner. Calls of actors cannot be
/// forced: that would end the actor (see manta::kill).
///
/// **Threading**: any thread; does not block. **Errors**: throws Error(invalid_argument) for an empty Ref, and for
/// force where the ref is of an actor's call (of another process' call: it counts as not forced); unavailable without a
/// runtime.
///
///     int count(std::vector<int> v, std::stop_token stop);   // manta::remote<count>(v)
///     manta::cancel(ref);
template <class T>
void cancel(const Ref<T>& ref, CancelOptions options = {}) {
  detail::cancel(&ref.entry(), options.force, options.recursive);
}

}  // namespace manta
