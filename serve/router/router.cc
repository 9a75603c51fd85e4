#include "serve/router/router.h"

#include <algorithm>
#include <utility>

namespace manta::serve {

bool Router::any_ready() const {
  return std::any_of(replicas_.begin(), replicas_.end(),
                     [](const auto& each) { return each.second.ready && !each.second.draining; });
}

bool Router::any_idle() const {
  return std::any_of(replicas_.begin(), replicas_.end(), [](const auto& each) {
    return each.second.ready && !each.second.draining && each.second.sent.empty();
  });
}

bool Router::enqueue(RequestId request, Time now) {
  if (queue_.size() >= options_.max_queued) return false;
  queue_.push_back({request, now});
  return true;
}

void Router::put_back(const Queued& queued) {
  const auto place = std::lower_bound(queue_.begin(), queue_.end(), queued.request,
                                      [](const Queued& each, RequestId request) { return each.request < request; });
  queue_.insert(place, queued);
  if (queued.deaths > 0) ++alone_;
}

bool Router::drop(RequestId request) {
  const auto place = std::lower_bound(queue_.begin(), queue_.end(), request,
                                      [](const Queued& each, RequestId wanted) { return each.request < wanted; });
  if (place == queue_.end() || place->request != request) return false;
  if (place->deaths > 0) --alone_;
  queue_.erase(place);
  return true;
}

// How many requests at the front of the queue may share a message.
std::size_t Router::joinable() const {
  if (queue_.front().deaths > 0) return 1;
  // Requests of a single replica wait for it anyway, so they share a message.
  const std::size_t most = options_.max_batch != 0 ? options_.max_batch
                           : replicas_.size() == 1 ? options_.max_ongoing
                                                   : 1;
  if (alone_ == 0) return std::min(most, queue_.size());
  std::size_t count = 0;
  while (count < most && count < queue_.size() && queue_[count].deaths == 0) ++count;
  return count;
}

// How many requests a replica that computes them one by one may have (ROUTE-3).
std::size_t Router::ahead() const {
  if (cost_.count() == 0) return 1;
  return std::clamp<std::size_t>(static_cast<std::size_t>(kAhead / cost_), 1, options_.max_ongoing);
}

bool Router::takes(const Replica& replica, Time now, std::size_t joinable) const {
  if (!replica.ready || replica.draining || replica.exclusive || replica.ongoing >= options_.max_ongoing) return false;
  if (replica.sent.empty()) {
    const bool waits = options_.max_batch > joinable && queue_.front().deaths == 0 && alone_ == 0;
    return !waits || now >= queue_.front().since + options_.batch_wait;
  }
  if (queue_.front().deaths > 0) return false;
  if (options_.max_batch == 0) return replica.ongoing < ahead();
  const auto batch = cost_ * static_cast<std::int64_t>(options_.max_batch);
  return joinable == options_.max_batch && replica.sent.size() < 2 && cost_.count() > 0 && batch < kBatchAhead;
}

std::optional<Router::Dispatch> Router::next(Time now, DispatchId id) {
  if (queue_.empty()) return std::nullopt;
  const std::size_t together = joinable();
  std::map<ReplicaId, Replica>::iterator chosen = replicas_.end();
  std::size_t equal = 0;
  for (auto it = replicas_.begin(); it != replicas_.end(); ++it) {
    if (!takes(it->second, now, together)) continue;
    const bool fewer = chosen == replicas_.end() || it->second.ongoing < chosen->second.ongoing;
    if (!fewer && it->second.ongoing > chosen->second.ongoing) continue;
    equal = fewer ? 1 : equal + 1;
    if (fewer || random_() % equal == 0) chosen = it;
  }
  if (chosen == replicas_.end()) return std::nullopt;
  Replica& replica = chosen->second;
  std::size_t count = std::min(together, options_.max_ongoing - replica.ongoing);
  if (options_.max_batch == 0)
    count = std::min(count, std::max<std::size_t>(ahead() - std::min(ahead(), replica.ongoing), 1));
  Sent sent{chosen->first, {}};
  Dispatch dispatch{id, chosen->first, {}};
  sent.requests.reserve(count);
  dispatch.requests.reserve(count);
  replica.exclusive = queue_.front().deaths > 0;
  if (replica.exclusive) --alone_;
  for (std::size_t i = 0; i < count; ++i) {
    sent.requests.push_back(queue_.front());
    dispatch.requests.push_back(queue_.front().request);
    queue_.pop_front();
  }
  if (replica.sent.empty()) replica.progress = now;
  replica.sent.push_back(id);
  replica.ongoing += count;
  ongoing_ += count;
  sent_.emplace(id, std::move(sent));
  return dispatch;
}

std::optional<Router::Time> Router::deadline() const {
  if (!any_idle()) return std::nullopt;
  if (!queue_.empty()) return queue_.front().since + options_.batch_wait;
  std::optional<Time> earliest;
  for (const auto& [id, replica] : replicas_) {
    if (replica.sent.size() < 2 || sent_.at(replica.sent.back()).asked_back) continue;
    const Time due = replica.progress + kPatience;
    if (!earliest || due < *earliest) earliest = due;
  }
  return earliest;
}

std::vector<DispatchId> Router::take_back(Time now) {
  std::vector<DispatchId> taken;
  if (!queue_.empty() || !any_idle()) return taken;
  for (const auto& [id, replica] : replicas_) {
    if (replica.sent.size() < 2 || now < replica.progress + kPatience) continue;
    for (std::size_t i = replica.sent.size() - replica.sent.size() / 2; i < replica.sent.size(); ++i) {
      Sent& sent = sent_.at(replica.sent[i]);
      if (!std::exchange(sent.asked_back, true)) taken.push_back(replica.sent[i]);
    }
  }
  return taken;
}

bool Router::hopeless(Time now) {
  if (any_ready()) {
    hopeless_since_.reset();
    return false;
  }
  if (!hopeless_since_) hopeless_since_ = now;
  return now - *hopeless_since_ >= kHope;
}

std::vector<RequestId> Router::give_up() {
  std::vector<RequestId> all;
  for (const Queued& each : queue_) all.push_back(each.request);
  queue_.clear();
  alone_ = 0;
  return all;
}

Router::Sent Router::take_out(DispatchId id) {
  Sent sent = std::move(sent_.extract(id).mapped());
  ongoing_ -= sent.requests.size();
  const auto it = replicas_.find(sent.replica);
  if (it == replicas_.end()) return sent;
  it->second.ongoing -= sent.requests.size();
  it->second.exclusive = false;
  std::erase(it->second.sent, id);
  return sent;
}

void Router::finished(DispatchId id, Time now, std::chrono::nanoseconds each) {
  const Sent sent = take_out(id);
  if (each.count() > 0) cost_ = cost_.count() == 0 ? each : (7 * cost_ + each) / 8;
  if (const auto it = replicas_.find(sent.replica); it != replicas_.end()) it->second.progress = now;
}

void Router::returned(DispatchId id) {
  for (const Queued& each : take_out(id).requests) put_back(each);
}

std::vector<RequestId> Router::died(DispatchId id) {
  std::vector<RequestId> given_up;
  for (Queued each : take_out(id).requests) {
    ++each.deaths;
    if (options_.max_retries >= 0 && each.deaths > options_.max_retries) {
      given_up.push_back(each.request);
    } else {
      put_back(each);
    }
  }
  return given_up;
}

bool Router::oldest(DispatchId id) const {
  const auto sent = sent_.find(id);
  if (sent == sent_.end()) return false;
  const auto it = replicas_.find(sent->second.replica);
  return it == replicas_.end() || it->second.sent.front() == id;
}

}  // namespace manta::serve
