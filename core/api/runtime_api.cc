// The boundary of detail/runtime_api.h, on the process' client.
#include <manta/detail/actor_status.h>
#include <manta/detail/runtime_api.h>
#include <manta/detail/stop_token.h>
#include <manta/detail/weak_actor.h>

#include <algorithm>

#include "core/client/client.h"
#include "core/client/forked.h"
#include "core/client/retired.h"

namespace manta::detail {

using client::Client;
using client::Retired;

namespace {
owner::Entry& entry_of(EntryHead* head) { return *static_cast<owner::Entry*>(head); }
}  // namespace

EntryHead* submit(const TaskCall& call) {
  Client& client = Client::require();
  for (const EntryHead* reference : call.references) Retired::check_present(reference);
  return client.submitting().submit(call);
}
EntryHead* create_actor(const ActorCall& call) {
  Client& client = Client::require();
  for (const EntryHead* reference : call.references) Retired::check_present(reference);
  return client.submitting().create_actor(call);
}
EntryHead* call_actor(const MethodCall& call) {
  Client& client = Client::require();
  Retired::check_present(call.actor);
  for (const EntryHead* reference : call.references) Retired::check_present(reference);
  return client.submitting().call(call);
}
void kill_actor(EntryHead* actor, bool restart) {
  Client& client = Client::require();
  Retired::check_present(actor);
  client.actors().kill(entry_of(actor), restart);
}
ActorStatus actor_status(EntryHead* actor, bool with_reason) {
  Client& client = Client::require();
  Retired::check_present(actor);
  return client.actors().status(entry_of(actor), with_reason);
}
ObjectId actor_id(EntryHead* actor) {
  (void)Client::require();
  Retired::check_present(actor);
  return entry_of(actor).id;
}
EntryHead* lock_actor(const ObjectId& id) { return Client::require().actors().lock(id); }
void set_label(EntryHead& entry, std::string label) {
  Client::require().references().set_label(entry_of(&entry), std::move(label));
}

EntryHead* find_actor(std::string_view name, std::string_view type) {
  return Client::require().actors().find(std::string(name), std::string(type));
}
void cancel(EntryHead* entry, bool force, bool recursive) {
  if (entry->resolved.load(std::memory_order_acquire)) return;
  Client& client = Client::require();
  Retired::check_present(entry);
  client.stopping().cancel(entry_of(entry), force, recursive);
}
std::stop_token stop_token_of_task() {
  Client* client = Client::current();
  return client != nullptr ? client->stopping().token() : std::stop_token();
}
EntryHead* put(const serial::Writer& value) { return Client::require().submitting().put(value); }

bool wait_resolved(EntryHead* entry, Deadline deadline) {
  return Client::require().waiting().wait_resolved(entry_of(entry), deadline);
}

std::string why_unresolved(EntryHead* entry) {
  Client* client = Client::current();
  return client != nullptr ? client->stalls().why(entry_of(entry)) : std::string();
}

std::size_t wait_any(std::span<EntryHead* const> entries, std::size_t count, Deadline deadline) {
  return Client::require().waiting().wait_any(entries, count, deadline);
}

std::shared_ptr<const void> find_shared(const ObjectId& object, const void* type) {
  Client* const client = Client::current();
  return client == nullptr ? nullptr : client->values().find_shared(object, type);
}

std::shared_ptr<const void> keep_shared(const ObjectId& object, const void* type, std::shared_ptr<const void> value,
                                        std::size_t size_bytes) {
  Client* const client = Client::current();
  return client == nullptr ? value : client->values().keep_shared(object, type, std::move(value), size_bytes);
}

bool is_borrowed(const EntryHead* entry) { return !static_cast<const owner::Entry*>(entry)->owned; }

void ask_for(std::span<EntryHead* const> entries) {
  if (Client* client = Client::current()) client->values().ask_for(entries);
}

bool lies_elsewhere(EntryHead* entry) {
  using Kind = owner::Value::Kind;
  const Kind kind = entry_of(entry).value.kind();
  if (kind == Kind::inline_bytes || kind == Kind::heap || Retired::client_of(entry) != nullptr) return false;
  Client* client = Client::current();
  return client != nullptr && client->values().lies_elsewhere(entry_of(entry));
}

void bring(std::span<EntryHead* const> entries) {
  if (Client* client = Client::current()) client->values().bring(entries);
}

// While something is open, its entry keeps the client, also beyond the end of the runtime (see Retired).
struct CompletionQueue::Impl {
  Client* client = nullptr;  // null: everything was there at once
  std::size_t next = 0;
  client::Completions completions;
};

CompletionQueue::CompletionQueue(std::span<EntryHead* const> entries) : impl_(std::make_unique<Impl>()) {
  const auto resolved = [](const EntryHead* e) { return e->resolved.load(std::memory_order_acquire); };
  if (std::all_of(entries.begin(), entries.end(), resolved)) return;
  impl_->client = &Client::require();
  impl_->client->watchers().add(impl_->completions, entries);
}

CompletionQueue::~CompletionQueue() {
  if (impl_->client != nullptr && !client::Forked::here()) impl_->client->watchers().remove(impl_->completions);
}

std::size_t CompletionQueue::next() {
  client::Forked::check();
  return impl_->client != nullptr ? impl_->client->waiting().next(impl_->completions) : impl_->next++;
}

}  // namespace manta::detail
