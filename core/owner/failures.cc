#include "core/owner/failures.h"

#include "core/owner/actor.h"

namespace manta::owner {

void Failures::report_if_unread(Entry& entry) {
  if (!entry.owned || entry.seen || entry.watched) return;
  if (entry.kind == Kind::actor) {
    if (entry.actor->state != Actor::State::dead || !entry.actor->not_made) return;
    entry.seen = true;
    return effects_.unread_failure(labels_.label_of(entry), entry.actor->error);
  }
  if (entry.phase != Phase::resolved || !entry.value.failed()) return;
  if (cancelled(entry) && !entry.extra->over_limit) return;
  const Error& error = entry.value.error();
  const ErrorCode code = error.code();
  if (code == ErrorCode::cancelled || code == ErrorCode::unavailable || code == ErrorCode::actor_died) return;
  entry.seen = true;
  effects_.unread_failure(labels_.label_of(entry), error);
}

void Failures::report_unread(const EntryTable& table) {
  table.for_each([&](Entry& entry) { report_if_unread(entry); });
}

}  // namespace manta::owner
