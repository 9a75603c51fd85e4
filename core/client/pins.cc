#include "core/client/pins.h"

#include <map>
#include <utility>

#include "core/base/mutex.h"

namespace manta::client {

struct Pins::Table {
  Mutex mutex;
  std::map<owner::StoredLocation, std::weak_ptr<const Pin>> live MANTA_GUARDED_BY(mutex);
};

struct Pins::Pin {
  owner::StoredLocation location;
  std::shared_ptr<const store::ArenaView> view;
  std::shared_ptr<owner::Entry> entry;  // let go after forget: the block may then be used again
  std::shared_ptr<Table> table;

  Pin(const owner::StoredLocation& at, std::shared_ptr<const store::ArenaView> v, std::shared_ptr<owner::Entry> e,
      std::shared_ptr<Table> t)
      : location(at), view(std::move(v)), entry(std::move(e)), table(std::move(t)) {}
  ~Pin() {
    const MutexLock guard(table->mutex);
    const auto it = table->live.find(location);
    if (it == table->live.end() || !it->second.expired()) return;  // a reader came since, and has forgotten for us
    table->live.erase(it);
    view->forget(location.offset, location.size_bytes);
  }
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;
};

Pins::Pins() : table_(std::make_shared<Table>()) {}

std::shared_ptr<const void> Pins::pin(const owner::StoredLocation& location,
                                      std::shared_ptr<const store::ArenaView> view,
                                      std::shared_ptr<owner::Entry> entry) {
  const MutexLock guard(table_->mutex);
  const auto [known, is_first] = table_->live.try_emplace(location);
  if (!is_first) {
    if (auto pin = known->second.lock()) return pin;
    view->forget(location.offset, location.size_bytes);  // the end of the last one waits for this lock
  }
  auto pin = std::make_shared<const Pin>(location, std::move(view), std::move(entry), table_);
  known->second = pin;
  return pin;
}

bool Pins::is_read(const owner::StoredLocation& location) const {
  const MutexLock guard(table_->mutex);
  const auto it = table_->live.find(location);
  return it != table_->live.end() && !it->second.expired();
}

}  // namespace manta::client
