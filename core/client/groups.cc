#include "core/client/groups.h"

#include <utility>

namespace manta::client {

std::uint64_t Groups::create(std::vector<net::WireResources> bundles, std::uint8_t strategy) {
  const OwnerLock lock(state_);
  if (state_.end) throw_error(*state_.end);
  const std::uint64_t request = made_.expect();
  if (auto sent = node_.try_send(net::CreateGroup{request, std::move(bundles), strategy});
      !sent && sent.error().code() == ErrorCode::invalid_argument) {
    (void)made_.take(request);
    throw_error(sent.error().with_context("placement group"));
  }
  while (!made_.has(request) && !state_.node_gone) wait(changed_, state_);
  const std::optional<net::GroupMade> answer = made_.take(request);
  if (!answer) throw_error(*state_.end);
  if (answer->group == 0) throw Error(ErrorCode::invalid_argument, answer->why);
  return answer->group;
}

void Groups::answered(const net::GroupMade& answer) {
  const OwnerLock guard(state_);
  made_.arrived(answer);
  changed_.notify_all();
}

}  // namespace manta::client
