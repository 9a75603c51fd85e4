#include "core/client/references.h"

#include <algorithm>
#include <utility>

#include "core/client/local_runner.h"
#include "core/client/task_context.h"

namespace manta::client {

detail::WireRef References::export_ref(owner::Entry& entry) {
  const OwnerLock guard(state_);
  return state_.owner->borrowing().export_ref(entry);
}

owner::Entry* References::import_ref(const detail::WireRef& ref) {
  const OwnerLock guard(state_);
  owner::Entry* entry = state_.owner->borrowing().import(ref, false);
  TaskContext* task = current_task();
  if (task != nullptr && !entry->owned && (!entry->extra || entry->extra->counted_borrows == 0)) {
    detail::retain(entry);
    task->imported.push_back(entry);
  }
  return entry;
}

void References::last_reference_gone(owner::Entry& entry) {
  {
    const OwnerLock guard(state_);
    state_.owner->objects().release_last(entry);
  }
  if (LocalRunner* local = state_.local.load(std::memory_order_relaxed)) [[unlikely]]
    local->run_ready();  // perhaps the destructor of an actor
}

void References::set_label(owner::Entry& entry, std::string label) {
  const OwnerLock guard(state_);
  entry.more().label = std::move(label);
}

owner::Entry* References::import_argument(const detail::WireRef& ref) {
  const OwnerLock guard(state_);
  return state_.owner->borrowing().import(ref, false);
}

std::vector<detail::WireRef> References::kept_after_task(std::vector<owner::Entry*>& imported) {
  const OwnerLock guard(state_);
  std::sort(imported.begin(), imported.end());
  std::vector<owner::Entry*> once = imported;
  once.erase(std::unique(once.begin(), once.end()), once.end());
  // One reference of each stays, so that the count shows whether it is kept.
  for (std::size_t i = 1; i < imported.size(); ++i) {
    if (imported[i] == imported[i - 1]) imported[i]->refs.fetch_sub(1);
  }
  imported = std::move(once);
  return state_.owner->borrowing().kept_after_task(imported);
}

std::vector<detail::WireRef> References::export_to(std::span<detail::EntryHead* const> inside, ClientId to) {
  std::vector<owner::Entry*> entries;
  for (detail::EntryHead* head : inside) entries.push_back(static_cast<owner::Entry*>(head));
  const OwnerLock guard(state_);
  return state_.owner->borrowing().export_to(entries, to);
}

std::vector<const detail::EntryHead*> References::live() {
  const OwnerLock guard(state_);
  std::vector<const detail::EntryHead*> entries;
  state_.owner->objects().table().for_each([&](const owner::Entry& entry) { entries.push_back(&entry); });
  return entries;
}

bool References::any_live() {
  const OwnerLock guard(state_);
  return state_.owner->objects().table().live() > 0;
}

}  // namespace manta::client
