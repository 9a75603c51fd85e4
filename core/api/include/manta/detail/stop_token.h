// A std::stop_token parameter of a task's function or an actor's method: supplied in the worker, not by the caller.
#pragma once

#include <stop_token>

#include <manta/detail/signature.h>

namespace manta::detail {

// That of the task which the calling thread runs. Outside of one: a token that never stops.
std::stop_token stop_token_of_task();

template <>
struct Injected<std::stop_token> : std::true_type {
  static std::stop_token make(Arguments&) { return stop_token_of_task(); }
};

}  // namespace manta::detail
