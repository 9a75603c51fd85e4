// What messages call tasks, calls, actors and objects, and the errors that they end with.
//
// Threading: none of its own; immutable.
#pragma once

#include <string>

#include <manta/error.h>

#include "core/owner/entry.h"

namespace manta::owner {

class Labels {
 public:
  using FunctionName = std::string (*)(detail::FunctionId);
  // function_name: null: functions are called by the ids of their results.
  explicit Labels(FunctionName function_name) : function_name_(function_name) {}

  // "f", or the name that the program gave.
  std::string name_of(const Entry& entry) const;
  // "task f", "call of m", "actor C", or the label that the entry was given.
  std::string label_of(const Entry& entry) const;
  // Of a cancelled entry. state: "before it started", for people.
  Error cancelled(const Entry& entry, const std::string& state) const;

 private:
  Error over_limit(const Entry& entry, const std::string& state) const;

  FunctionName function_name_;
};

// Of an object, or an actor, whose owner died.
Error lost_with_owner(const Entry& entry, const std::string& status);

}  // namespace manta::owner
