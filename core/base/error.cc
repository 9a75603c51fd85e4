#include <manta/error.h>

#include <utility>

namespace manta {
namespace {

// For people: which function threw what and where, then the way the error took.
std::string describe(const TaskFailure& failure) {
  std::string text = failure.function.empty() ? "a task" : failure.function;
  text += " threw ";
  text += failure.type.empty() ? "an exception" : failure.type;
  if (!failure.what.empty()) text += ": " + failure.what;
  text += " (attempt " + std::to_string(failure.attempt);
  if (failure.process != 0) text += ", process " + std::to_string(failure.process);
  if (!failure.node.empty()) text += " on " + failure.node;
  text += ")";
  if (!failure.trace.empty()) text += "\n" + failure.trace;
  return text;
}

}  // namespace

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return "invalid_argument";
    case ErrorCode::not_found:
      return "not_found";
    case ErrorCode::unavailable:
      return "unavailable";
    case ErrorCode::exhausted:
      return "exhausted";
    case ErrorCode::deadline:
      return "deadline";
    case ErrorCode::cancelled:
      return "cancelled";
    case ErrorCode::task_failed:
      return "task_failed";
    case ErrorCode::worker_died:
      return "worker_died";
    case ErrorCode::object_lost:
      return "object_lost";
    case ErrorCode::actor_died:
      return "actor_died";
    case ErrorCode::internal:
      return "internal";
  }
  return "unknown";  // a value from a newer peer
}

Error::Error(ErrorCode code, std::string message)
    : code_(code), message_(std::make_shared<const std::string>(std::move(message))) {}

Error::Error(TaskFailure failure)
    : code_(ErrorCode::task_failed),
      message_(std::make_shared<const std::string>(describe(failure))),
      failure_(std::make_shared<const TaskFailure>(std::move(failure))) {}

Error::Error(TaskFailure failure, std::string message)
    : code_(ErrorCode::task_failed),
      message_(std::make_shared<const std::string>(std::move(message))),
      failure_(std::make_shared<const TaskFailure>(std::move(failure))) {}

Error Error::with_context(std::string_view context) const {
  Error error(*this);
  error.message_ = std::make_shared<const std::string>(std::string(context) + ": " + *message_);
  return error;
}

void throw_error(const Error& error) {
  if (error.task() != nullptr) throw TaskError(error);
  throw Error(error);
}

}  // namespace manta
