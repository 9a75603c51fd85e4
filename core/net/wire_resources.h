// Resources on the wire and in the scheduler.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "core/net/messages.h"
#include "core/sched/resources.h"

namespace manta::net {

inline sched::ResourceSet resources_of(const WireResources& wire) {
  sched::ResourceSet set;
  set.cpus = sched::Amount::from_units(wire.cpus);
  set.gpus = sched::Amount::from_units(wire.gpus);
  set.memory_bytes = wire.memory_bytes;
  set.own_worker = wire.own_worker;
  set.priority = wire.priority;
  set.env = wire.env;
  for (const auto& [name, units] : wire.named) set.named.push_back({name, sched::Amount::from_units(units)});
  return set;
}

// Of what a node has to offer: as many devices as there are entries in a table of them.
inline constexpr std::int64_t kMostGpusOfNode = 4096;
inline constexpr std::int64_t kMostGpusOfRequest = 900'000'000'000'000;

// Whether another process may mean it: what is not so is refused where it is decoded, and added up nowhere.
// invalid_argument, and what is wrong. left: what a node has left, which is below 0 while CPUs are used that a waiting
// task has released.
inline Result<void> check(const WireResources& wire, std::int64_t most_gpus, bool left = false) {
  constexpr std::int64_t kMostUnits = 9'000'000'000'000'000'000;    // 9e14, as where options enter
  constexpr std::size_t kMostNames = 4096, kLongestName = 1 << 20;  // the latter as where options enter
  const auto amount = [left](const std::string& what, std::int64_t units, std::int64_t most) -> Result<void> {
    const std::int64_t least = left ? -most : 0;
    if (units >= least && units <= most) return {};
    return fail(ErrorCode::invalid_argument, what + ": " + sched::Amount::from_units(units).to_string() + "; from " +
                                                 sched::Amount::from_units(least).to_string() + " to " +
                                                 sched::Amount::from_units(most).to_string() + " is possible");
  };
  if (auto cpus = amount("CPUs", wire.cpus, kMostUnits); !cpus) return cpus;
  if (auto gpus = amount("GPUs", wire.gpus, most_gpus * 10'000); !gpus) return gpus;
  if (wire.memory_bytes > std::uint64_t{1} << 62) {
    return fail(ErrorCode::invalid_argument,
                "memory: " + std::to_string(wire.memory_bytes) + " bytes; at most 2^62 are possible");
  }
  if (wire.named.size() > kMostNames) {
    return fail(ErrorCode::invalid_argument, std::to_string(wire.named.size()) + " named resources; at most " +
                                                 std::to_string(kMostNames) + " are possible");
  }
  std::set<std::string_view> names;
  for (const auto& [name, units] : wire.named) {
    if (name.empty() || name.size() > kLongestName || !names.insert(name).second) {
      return fail(ErrorCode::invalid_argument,
                  "a resource without a name, with a longer one than 1 MiB, or named twice");
    }
    if (auto named = amount("resource " + name.substr(0, 100), units, kMostUnits); !named) return named;
  }
  return {};
}

inline WireResources wire_of(const sched::ResourceSet& set) {
  WireResources wire;
  wire.cpus = set.cpus.units();
  wire.gpus = set.gpus.units();
  wire.memory_bytes = set.memory_bytes;
  wire.own_worker = set.own_worker;
  wire.priority = set.priority;
  wire.env = set.env;
  for (const sched::NamedAmount& named : set.named) wire.named.emplace_back(named.name, named.amount.units());
  return wire;
}

}  // namespace manta::net
