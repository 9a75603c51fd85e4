#include "serve/router/router.h"

#include <algorithm>

namespace manta::serve {

bool Router::enqueue(RequestId request, Time now) {
  if (queue_.size() >= options_.max_queued) return false;
  queue_.push_back({request, now});
  return true;
}

bool Router::takes(const Replica& replica, Time now) const {
  if (replica.draining || replica.ongoing >= options_.max_ongoing) return false;
  if (options_.max_batch == 0) return true;
  if (queue_.size() >= options_.max_batch) return replica.batches < 2;
  return replica.batches == 0 && now >= queue_.front().since + options_.batch_wait;
}

std::optional<Router::Dispatch> Router::next(Time now) {
  if (queue_.empty()) return std::nullopt;
  std::vector<std::map<ReplicaId, Replica>::iterator> free;
  for (auto it = replicas_.begin(); it != replicas_.end(); ++it) {
    if (takes(it->second, now)) free.push_back(it);
  }
  if (free.empty()) return std::nullopt;
  auto chosen = free.front();
  if (free.size() > 1) {
    const std::size_t one = random_() % free.size();
    const std::size_t other = (one + 1 + random_() % (free.size() - 1)) % free.size();
    chosen = free[other]->second.ongoing < free[one]->second.ongoing ? free[other] : free[one];
  }
  Replica& replica = chosen->second;
  // Without batches a message still carries several requests: each replica's share of the queue.
  const std::size_t share = options_.max_batch != 0 ? options_.max_batch : (queue_.size() + free.size() - 1) / free.size();
  const std::size_t count = std::min({share, queue_.size(), options_.max_ongoing - replica.ongoing});
  Dispatch dispatch{chosen->first, {}};
  dispatch.requests.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    dispatch.requests.push_back(queue_.front().request);
    queue_.pop_front();
  }
  replica.ongoing += count;
  ++replica.batches;
  ongoing_ += count;
  return dispatch;
}

std::optional<Router::Time> Router::deadline() const {
  if (queue_.empty() || options_.max_batch == 0) return std::nullopt;
  const bool free = std::any_of(replicas_.begin(), replicas_.end(), [](const auto& each) {
    return !each.second.draining && each.second.batches == 0;
  });
  if (!free) return std::nullopt;
  return queue_.front().since + options_.batch_wait;
}

void Router::finished(ReplicaId replica, std::size_t count) {
  ongoing_ -= count;
  const auto it = replicas_.find(replica);
  if (it == replicas_.end()) return;
  it->second.ongoing -= count;
  --it->second.batches;
}

}  // namespace manta::serve
