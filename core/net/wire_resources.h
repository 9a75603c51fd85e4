// Resources on the wire and in the scheduler.
#pragma once

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
