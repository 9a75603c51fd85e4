#include "core/client/shared_values.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace manta::client {

SharedValues::Kept* SharedValues::look_up(const ObjectId& object, const void* type) {
  const auto it = std::find_if(kept_.begin(), kept_.end(),
                               [&](const Kept& kept) { return kept.object == object && kept.type == type; });
  if (it == kept_.end()) return nullptr;
  std::rotate(it, it + 1, kept_.end());
  return &kept_.back();
}

std::shared_ptr<const void> SharedValues::find(const ObjectId& object, const void* type, Time now) {
  const MutexLock guard(mutex_);
  Kept* const kept = look_up(object, type);
  if (kept == nullptr) return nullptr;
  kept->used = now;
  return kept->value;
}

std::shared_ptr<const void> SharedValues::keep(const ObjectId& object, const void* type,
                                               std::shared_ptr<const void> value, std::size_t size_bytes, Time now) {
  std::vector<Kept> dropped;  // ends after the lock: destructors may be the user's
  const MutexLock guard(mutex_);
  if (Kept* const before = look_up(object, type); before != nullptr) {
    before->used = now;
    return before->value;
  }
  kept_.push_back({object, type, value, size_bytes, now});
  std::size_t bytes = std::accumulate(kept_.begin(), kept_.end(), std::size_t{0},
                                      [](std::size_t sum, const Kept& kept) { return sum + kept.size_bytes; });
  while (kept_.size() > kMost || (bytes > kMostBytes && kept_.size() > 1)) {
    bytes -= kept_.front().size_bytes;
    dropped.push_back(std::move(kept_.front()));
    kept_.erase(kept_.begin());
  }
  return value;
}

SharedValues::Time SharedValues::expire(Time now) {
  std::vector<Kept> dropped;
  const MutexLock guard(mutex_);
  for (Kept& kept : kept_) {
    if (kept.value.use_count() > 1) kept.used = now;
  }
  const auto fresh =
      std::stable_partition(kept_.begin(), kept_.end(), [&](const Kept& kept) { return now - kept.used >= kUnused; });
  dropped.assign(std::move_iterator(kept_.begin()), std::move_iterator(fresh));
  kept_.erase(kept_.begin(), fresh);
  if (kept_.empty()) return Time::max();
  const auto oldest =
      std::min_element(kept_.begin(), kept_.end(), [](const Kept& a, const Kept& b) { return a.used < b.used; });
  return oldest->used + kUnused;
}

}  // namespace manta::client
