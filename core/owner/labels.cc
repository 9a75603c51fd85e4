#include "core/owner/labels.h"

#include "core/base/end_of_process.h"
#include "core/owner/time_limits.h"

namespace manta::owner {

std::string Labels::name_of(const Entry& entry) const {
  if (entry.extra && !entry.extra->name.empty()) return entry.extra->name;
  if (function_name_ != nullptr) return function_name_(entry.function);
  return entry.id.to_string();
}

std::string Labels::label_of(const Entry& entry) const {
  if (entry.extra && !entry.extra->label.empty()) return entry.extra->label;
  return (entry.kind == Kind::actor ? "actor " : entry.kind == Kind::call ? "call of " : "task ") + name_of(entry);
}

Error Labels::cancelled(const Entry& entry, const std::string& state) const {
  if (entry.extra->over_limit) return over_limit(entry, state);
  return Error(ErrorCode::cancelled, label_of(entry) + " was cancelled by " + entry.extra->cancelled->by + " " + state);
}

Error Labels::over_limit(const Entry& entry, const std::string& state) const {
  const bool call = entry.kind == Kind::call;
  std::string attempt = std::to_string(entry.attempt + 1);
  if (!call && entry.max_retries >= 0) attempt += " of " + std::to_string(entry.max_retries + 1);
  return Error(
      ErrorCode::deadline,
      label_of(entry) + " (attempt " + attempt + ") took longer than its time limit of " + to_text(entry.extra->limit) +
          ": it was cancelled " + state + "\nGive it more by " + (call ? "CallOptions" : "TaskOptions") +
          "::timeout, or look at its stack while it runs: gdb -p PID, of its worker process (docs/debugging.md)");
}

Error lost_with_owner(const Entry& entry, const std::string& status) {
  if (entry.kind == Kind::actor) {
    return Error(
        ErrorCode::actor_died,
        about_end("actor " + entry.id.to_string() + " ended with the process that had created it, which ", status));
  }
  return Error(ErrorCode::object_lost,
               about_end("object " + entry.id.to_string() + " is lost: the process that owned it ", status,
                         "; only objects in memory that other processes had borrowed outlive their owner"));
}

}  // namespace manta::owner
