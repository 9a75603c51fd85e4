// References of this process to objects: into values and out of them, and the end of an entry's last one.
//
// Threading: any thread, without the owner's mutex. Ownership: what it is made with must outlive it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include <manta/detail/runtime_api.h>

#include "core/client/process_state.h"

namespace manta::client {

class References {
 public:
  explicit References(ProcessState& state) : state_(state) {}

  // For a value that this thread encodes, and from one that it decodes: the caller has a reference of the entry.
  detail::WireRef export_ref(owner::Entry& entry);
  owner::Entry* import_ref(const detail::WireRef& ref);
  void last_reference_gone(owner::Entry& entry);
  // What deadlines and warnings call it.
  void set_label(owner::Entry& entry, std::string label);

  // --- of a task that runs here for another process
  // The entry of an argument; the caller has a reference of it.
  owner::Entry* import_argument(const detail::WireRef& ref);
  // The task has ended. imported: entries from its arguments, one reference for each mention; afterwards each is there
  // once, with one reference. Returns those that are still referred to besides, which its reply must name.
  std::vector<detail::WireRef> kept_after_task(std::vector<owner::Entry*>& imported);
  // References inside a result: the process that gets it borrows them from now on.
  std::vector<detail::WireRef> export_to(std::span<detail::EntryHead* const> inside, ClientId to);

  // --- after the end of the runtime
  // What the program still refers to.
  std::vector<const detail::EntryHead*> live();
  bool any_live();

 private:
  ProcessState& state_;
};

}  // namespace manta::client
