// From function ids to functions, for the processes that execute tasks.
#pragma once

#include <string>

#include <manta/detail/function_entry.h>
#include <manta/error.h>

namespace manta::detail {

// The function of an id; null where no module of this process has it. Any thread, without locks, O(1); modules may come
// and go meanwhile, but the caller must not run functions of a library that is being closed.
const FunctionEntry* find_function(FunctionId id) noexcept;

// Its label, for people; "unknown" where it is unknown.
std::string name_of_function(FunctionId id);

// Says why a task cannot be run here and what to do.
Error unknown_function(FunctionId id);

}  // namespace manta::detail
