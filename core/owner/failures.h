// Failures that the program never reads: each is reported once.
//
// Threading: none of its own (the owner's lock).
#pragma once

#include <string>

#include "core/owner/labels.h"
#include "core/owner/objects.h"

namespace manta::owner {

class FailureEffects {
 public:
  virtual ~FailureEffects() = default;
  // A task, a call or a constructor failed, and nothing has read or awaited that. what: "task f".
  virtual void unread_failure(const std::string& what, const Error& error) = 0;
};

class Failures {
 public:
  Failures(const Labels& labels, FailureEffects& effects) : labels_(labels), effects_(effects) {}
  // What the program ends itself, and what ends with its actor or the runtime, is not reported.
  void report_if_unread(Entry& entry);
  // Of all entries there are now.
  void report_unread(const EntryTable& table);

 private:
  const Labels& labels_;
  FailureEffects& effects_;
};

}  // namespace manta::owner
