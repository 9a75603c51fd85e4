// Placement groups: resources of one or several nodes, reserved together before the work that uses them is known.
//
// As Ray's: a group is placed whole or not at all. What it has reserved is out of reach for all other work; tasks and
// actors get at it by TaskOptions::bundle and ActorOptions::bundle, whose requests compete within that bundle alone and
// run in worker processes of its own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include <manta/options.h>
#include <manta/ref.h>

namespace manta {

/// A group, from its making until this object is destroyed, or the process that made it has ended. Then what runs in it
/// is killed, and what waits for it fails.
///
/// A bundle whose node dies is reserved on another node as soon as one has capacity; its tasks are retried there and
/// its actors restarted, as their options allow.
///
///     manta::PlacementGroup group({{.num_cpus = 1}, {.num_cpus = 1}}, manta::GroupStrategy::strict_spread);
///     auto left = manta::remote<work>.options({.bundle = group.bundle(0)})(1);
///     auto right = manta::remote<work>.options({.bundle = group.bundle(1)})(2);
///
/// **Threading**: as a std::vector. **Ownership**: movable, owns the reservation; Bundle values may outlive it, and
/// then fail.
class PlacementGroup {
 public:
  /// Does not wait until it is placed: work in its bundles does. Throws Error: invalid_argument where no nodes of the
  /// cluster could hold it even if they were idle, or an amount is invalid; unavailable where Manta does not run.
  explicit PlacementGroup(std::span<const BundleOptions> bundles, GroupStrategy strategy = GroupStrategy::pack);
  explicit PlacementGroup(std::initializer_list<BundleOptions> bundles, GroupStrategy strategy = GroupStrategy::pack)
      : PlacementGroup(std::span(bundles.begin(), bundles.size()), strategy) {}
  PlacementGroup(PlacementGroup&& other) noexcept;
  PlacementGroup& operator=(PlacementGroup&& other) noexcept;
  ~PlacementGroup();

  std::size_t size() const { return size_; }
  /// Throws Error(invalid_argument) if there are not so many.
  Bundle bundle(std::size_t index) const;
  /// Resolved when all of it is reserved; for wait() with a time.
  Ref<void> ready() const;
  /// Now, instead of in the destructor. Idempotent.
  void remove();

 private:
  std::uint64_t group_ = 0;
  std::size_t size_ = 0;
};

}  // namespace manta
