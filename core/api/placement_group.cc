#include <manta/placement_group.h>

#include <manta/detail/actor_status.h>
#include <manta/remote.h>

#include "core/client/client.h"
#include "core/net/wire_resources.h"
#include "core/sched/resources.h"

namespace manta {

namespace {
void nothing() {}
}  // namespace

PlacementGroup::PlacementGroup(std::span<const BundleOptions> bundles, GroupStrategy strategy) : size_(bundles.size()) {
  std::vector<net::WireResources> requests;
  for (const BundleOptions& bundle : bundles) {
    auto request = sched::request_of_bundle(bundle);
    if (!request) throw_error(request.error());
    requests.push_back(net::wire_of(*request));
  }
  group_ = client::Client::require().groups().create(std::move(requests), static_cast<std::uint8_t>(strategy));
}

PlacementGroup::PlacementGroup(PlacementGroup&& other) noexcept
    : group_(std::exchange(other.group_, 0)), size_(std::exchange(other.size_, 0)) {}

PlacementGroup& PlacementGroup::operator=(PlacementGroup&& other) noexcept {
  std::swap(group_, other.group_);
  std::swap(size_, other.size_);
  return *this;
}

PlacementGroup::~PlacementGroup() { remove(); }

void PlacementGroup::remove() {
  const std::uint64_t group = std::exchange(group_, 0);
  client::Client* client = client::Client::current();
  if (group != 0 && client != nullptr) client->groups().remove(group);
}

Bundle PlacementGroup::bundle(std::size_t index) const {
  if (group_ == 0) throw Error(ErrorCode::invalid_argument, "this PlacementGroup was removed or moved from");
  if (index >= size_) {
    throw Error(ErrorCode::invalid_argument, "the placement group has no bundle " + std::to_string(index) +
                                                 "; its bundles are 0 to " + std::to_string(size_ - 1));
  }
  return {group_, static_cast<std::uint32_t>(index)};
}

// A group is placed whole: its first bundle stands for it.
Ref<void> PlacementGroup::ready() const {
  const Ref<void> ready = remote<nothing>.options({.num_cpus = 0, .name = "placement group", .bundle = bundle(0)})();
  detail::set_label(ready.entry(), "placement group");
  return ready;
}

}  // namespace manta
