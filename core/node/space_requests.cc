#include "core/node/space_requests.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace manta::node {

void SpaceRequests::need(ClientId asker, std::uint64_t number, std::uint64_t bytes, std::deque<ClientId> others) {
  go_on(requests_.emplace(++last_id_, Request{asker, number, bytes, 0, std::move(others)}).first);
}

// Asks the first of the others, or answers.
void SpaceRequests::go_on(std::map<std::uint64_t, Request>::iterator it) {
  const Request& request = it->second;
  if (request.made < request.wanted && !request.others.empty()) {
    make_(request.others.front(), it->first, request.wanted - request.made);
    return;
  }
  answer_(request.asker, request.number, request.made);
  requests_.erase(it);
}

void SpaceRequests::made(ClientId from, std::uint64_t id, std::uint64_t bytes) {
  const auto it = requests_.find(id);
  if (it == requests_.end() || it->second.others.empty() || it->second.others.front() != from) return;
  it->second.made += std::min(bytes, it->second.wanted - it->second.made);
  it->second.others.pop_front();
  go_on(it);
}

void SpaceRequests::client_gone(ClientId client) {
  std::erase_if(requests_, [&](const auto& item) { return item.second.asker == client; });
  std::vector<std::uint64_t> waiting;
  for (auto& [id, request] : requests_) {
    const bool asked = !request.others.empty() && request.others.front() == client;
    std::erase(request.others, client);
    if (asked) waiting.push_back(id);
  }
  for (const std::uint64_t id : waiting) go_on(requests_.find(id));
}

}  // namespace manta::node
