// What an exception of a library says.
#pragma once

#include <exception>
#include <string>

namespace manta::detail {

/// A function that knows a library's exceptions (manta::torch's cuts LibTorch's stack frames): true, and the message,
/// where it knows this one. Registered before init, at most 8.
using ExceptionReader = bool (*)(const std::exception& error, std::string& message);
bool add_exception_reader(ExceptionReader read) noexcept;

/// The message of the reader that knows the exception, else what().
std::string message_of(const std::exception& error);

}  // namespace manta::detail
