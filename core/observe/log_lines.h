// Lines on Manta's log about what happens to a process' tasks and actors.
//
// Threading: as Events; what it keeps, with the owner's mutex. Ownership: none.
#pragma once

#include "core/observe/events.h"
#include "core/observe/unread_failures.h"

namespace manta::observe {

class LogLines final : public Subscriber {
 public:
  void observe(const RareEvent& event) override;

 private:
  UnreadFailures unread_;
};

}  // namespace manta::observe
