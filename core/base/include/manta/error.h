// Errors: what failed, where, and what to do.
#pragma once

#include <manta/detail/compiler.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

namespace manta {

/// Chosen by what the caller should do about it.
enum class ErrorCode : std::uint8_t {
  invalid_argument,  ///< change the call: it can never succeed as it is
  not_found,         ///< the named thing does not exist
  unavailable,       ///< a peer is gone or not yet there: try again later or elsewhere
  exhausted,         ///< a limit was reached: free something, or raise the limit
  deadline,          ///< the time given was over; the work may still go on
  cancelled,         ///< ended on request
  task_failed,       ///< user code threw: see TaskFailure
  worker_died,       ///< the process that ran the task ended, and no attempt was left
  object_lost,       ///< the value has no copy left and could not be made again
  actor_died,        ///< the actor is gone for good
  internal,          ///< a bug of ours: please report it
};

/// "invalid_argument" and so on.
std::string_view to_string(ErrorCode code);

/// Where and how a task's user code failed.
struct TaskFailure {
  std::string type;           ///< demangled type of the exception, for example "std::out_of_range"
  std::string what;           ///< its what(), empty where it has none
  std::string function;       ///< the task's function, for people
  std::string node;           ///< host name
  std::int64_t process = 0;   ///< process id of the worker
  std::uint32_t attempt = 0;  ///< 1 for the first
  std::string trace;          ///< for a failure that passed through several tasks: one line each, innermost first
};

/// The one exception and error value of Manta.
///
/// **Threading**: immutable. **Ownership**: a value; copies share the task's details.
class Error : public std::exception {
 public:
  /// For a variable that is assigned to: internal, without a message.
  Error() : Error(ErrorCode::internal, {}) {}
  Error(ErrorCode code, std::string message);
  Error(TaskFailure failure);
  /// With a message of its own, as with_context makes it.
  Error(TaskFailure failure, std::string message);

  ErrorCode code() const noexcept { return code_; }
  /// One or more lines: the thing, the place, the next step.
  const char* what() const noexcept override { return message_->c_str(); }
  const std::string& message() const noexcept { return *message_; }
  /// Only where code() is task_failed, else null.
  const TaskFailure* task() const noexcept { return failure_.get(); }
  /// The same error with "context: " before its message.
  Error with_context(std::string_view context) const;

 private:
  ErrorCode code_;
  std::shared_ptr<const std::string> message_;  // shared: an exception must copy without throwing
  std::shared_ptr<const TaskFailure> failure_;
};

/// Thrown by get() where user code of a task threw; task() is never null.
class TaskError : public Error {
 public:
  explicit TaskError(const Error& error) : Error(error) {}
};

/// A T, or the Error that took its place.
template <class T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error(code, std::move(message)));
}

/// Throws error as TaskError or Error.
[[noreturn]] void throw_error(const Error& error);

}  // namespace manta
