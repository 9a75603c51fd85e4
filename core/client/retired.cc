#include "core/client/retired.h"

#include <map>
#include <utility>

#include "core/base/mutex.h"
#include "core/client/client.h"

namespace manta::client {

namespace {

struct Registry {
  Mutex mutex;                                                                  // taken before an owner's
  std::map<const detail::EntryHead*, Client*> entries MANTA_GUARDED_BY(mutex);  // a retired client makes no new ones
  std::map<Client*, std::unique_ptr<Client>> clients MANTA_GUARDED_BY(mutex);
};

// Never destroyed: Refs with static storage duration may end later than anything here.
Registry& registry() {
  static Registry* const it = new Registry;
  return *it;
}

}  // namespace

std::atomic<bool> Retired::any_{false};

void Retired::add(std::unique_ptr<Client> client) {
  Registry& r = registry();
  const MutexLock guard(r.mutex);
  for (const detail::EntryHead* entry : client->references().live()) r.entries.emplace(entry, client.get());
  if (!client->references().any_live()) return;
  client->store().keep();
  Client* key = client.get();
  r.clients.emplace(key, std::move(client));
  any_.store(true, std::memory_order_release);
}

Client* Retired::find(const detail::EntryHead* entry) {
  Registry& r = registry();
  const MutexLock guard(r.mutex);
  const auto it = r.entries.find(entry);
  return it == r.entries.end() ? nullptr : it->second;
}

bool Retired::release(detail::EntryHead* entry) noexcept {
  Registry& r = registry();
  std::unique_ptr<Client> unused;  // freed without the lock
  const MutexLock guard(r.mutex);
  const auto it = r.entries.find(entry);
  if (it == r.entries.end()) return false;
  Client* client = it->second;
  client->references().last_reference_gone(*static_cast<owner::Entry*>(entry));
  if (client->references().any_live()) return true;
  std::erase_if(r.entries, [&](const auto& item) { return item.second == client; });
  const auto mine = r.clients.find(client);
  unused = std::move(mine->second);
  r.clients.erase(mine);
  any_.store(!r.clients.empty(), std::memory_order_release);
  return true;
}

void Retired::throw_retired() {
  throw Error(ErrorCode::unavailable,
              "the object belongs to an earlier Runtime of this program, which has ended: get() its value, and pass or "
              "put() that");
}

}  // namespace manta::client
