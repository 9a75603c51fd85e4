// Amounts of resources in exact fixed point, and what a node has of them.
//
// Steps of 1/10,000: sums and differences are exact, so what was taken and given back always balances.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <manta/error.h>
#include <manta/ids.h>
#include <manta/options.h>

namespace manta::sched {

// One amount, in ten-thousandths.
class Amount {
 public:
  constexpr Amount() = default;
  static constexpr Amount from_units(std::int64_t ten_thousandths) { return Amount(ten_thousandths); }
  // Rounds to the nearest step; invalid_argument for negative, NaN, above 9e14 or finer than a step by more than 1e-9.
  [[nodiscard]] static Result<Amount> from_double(double value, std::string_view what);

  constexpr std::int64_t units() const { return units_; }
  constexpr double to_double() const { return static_cast<double>(units_) / 10'000; }
  constexpr bool zero() const { return units_ == 0; }
  // "0.5", "2", "0.0001"
  std::string to_string() const;

  friend constexpr auto operator<=>(const Amount&, const Amount&) = default;
  constexpr Amount& operator+=(Amount b) {
    units_ += b.units_;
    return *this;
  }
  constexpr Amount& operator-=(Amount b) {
    units_ -= b.units_;
    return *this;
  }
  friend constexpr Amount operator+(Amount a, Amount b) { return a += b; }
  friend constexpr Amount operator-(Amount a, Amount b) { return a -= b; }

 private:
  constexpr explicit Amount(std::int64_t units) : units_(units) {}
  std::int64_t units_ = 0;
};

struct NamedAmount {
  std::string name;
  Amount amount;
  friend auto operator<=>(const NamedAmount&, const NamedAmount&) = default;
};

// What a task asks for, or what a node offers: CPUs, GPUs, bytes of memory, and named resources sorted by name.
// Equal requests are one "shape": leases are keyed by it.
struct ResourceSet {
  Amount cpus;
  Amount gpus;  // request: < 1 a share of one GPU, else whole; offer: how many GPUs
  std::uint64_t memory_bytes = 0;
  std::vector<NamedAmount> named;  // sorted by name, no zero amounts, no duplicates
  bool own_worker = false;         // an actor's: a worker that nothing has used before, never asked back
  bool reservation = false;        // a bundle's: resources without a worker
  std::int16_t priority = 0;       // higher first
  std::string env;                 // of the worker: "NAME=value" for each variable, by name, each with a NUL behind it

  friend auto operator<=>(const ResourceSet&, const ResourceSet&) = default;
  // "CPU: 1, GPU: 0.5, memory: 2.0 GiB, license: 1"; "nothing" where all is zero.
  std::string to_string() const;
};

// On which node a task may run. Part of a shape's identity at its submitter.
struct Where {
  Placement policy = Placement::pack;
  NodeId node;        // none: any
  bool soft = false;  // another one where that one is dead or can never run it
  Bundle bundle;      // none: any free resources
  friend auto operator<=>(const Where&, const Where&) = default;
};

// Of TaskOptions and ActorOptions. Throws Error(invalid_argument) where a bundle comes with a node or a policy.
Where where_of(const TaskOptions& options);
Where where_of(const ActorOptions& options);
// "2.0 GiB"
std::string bytes_to_string(std::uint64_t bytes);
// Whether GPUs can be asked for so: a share of one, or whole ones.
bool whole_or_share(Amount gpus);
// Checks and converts what the user wrote. invalid_argument names the field (num_gpus of 1.5: "whole GPUs above 1").
[[nodiscard]] Result<ResourceSet> request_of(const TaskOptions& options);
[[nodiscard]] Result<ResourceSet> request_of_actor(const ActorOptions& options);
[[nodiscard]] Result<ResourceSet> request_of_bundle(const BundleOptions& options);
// For counts of tries below -1, which is for ever: throws invalid_argument.
[[noreturn]] void refuse_count(int count, const std::string& field);
// What a node offers besides, sorted by name.
[[nodiscard]] Result<std::vector<NamedAmount>> offer_of(const InitOptions& options);

// Share of one GPU, by the index that the driver's own CUDA_VISIBLE_DEVICES order gives.
struct GpuShare {
  std::uint32_t index = 0;
  Amount amount;
  friend auto operator<=>(const GpuShare&, const GpuShare&) = default;
};

// What was taken for one lease; give it back to the same Ledger exactly once.
struct Allocation {
  ResourceSet taken;
  std::vector<GpuShare> gpus;  // sorted by index
};

// What a request can be short of, as bits: CPUs, GPUs, memory, worker processes, then the node's named resources in
// the order of Ledger::total().named (the 61st and later ones share the last bit).
using Dimension = std::uint32_t;
using DimensionBits = std::uint64_t;
inline constexpr Dimension kCpus = 0;
inline constexpr Dimension kGpus = 1;
inline constexpr Dimension kMemory = 2;
inline constexpr Dimension kWorkers = 3;  // the Ledger knows nothing of it: the scheduler's
inline constexpr Dimension kFirstNamed = 4;
constexpr DimensionBits bit_of(Dimension d) { return DimensionBits{1} << (d < 63 ? d : 63); }

// What one node has and what is left. CPUs may go below zero by `take_back_cpus` alone (an unblocked task resumes
// although another task uses its CPU); nothing else ever does.
//
// Threading: none of its own. A fractional GPU request goes to the fullest GPU that still fits (pack), whole ones to
// empty GPUs, lowest index first.
class Ledger {
 public:
  // Of an offer of GPUs only the whole part counts; of an unsorted offer the names are sorted and summed.
  explicit Ledger(ResourceSet total);
  // Of what was taken from another ledger: the same GPUs, by the same indices, and of each no more than the share.
  static Ledger of_part(const Allocation& part);

  const ResourceSet& total() const { return total_; }
  // Left over; cpus may be negative.
  ResourceSet available() const;
  // Whether it could ever be granted on an empty node.
  bool feasible(const ResourceSet& request) const;
  // Why it could not: "needs CPU: 8, the node has CPU: 2; license: 1 asked for, none here". Empty if feasible.
  std::string why_infeasible(const ResourceSet& request) const;
  // What is missing now for a feasible request: "asks for GPU: 1, of GPU: 4 here 0.5 is free". Empty if it fits.
  std::string why_not_now(const ResourceSet& request) const;
  // nullopt-like: exhausted error if it does not fit now.
  [[nodiscard]] Result<Allocation> take(const ResourceSet& request);
  bool fits(const ResourceSet& request) const { return lacking(request) == 0; }
  // The dimensions of which too little is left for it. GPUs: also where enough is left, but on too many GPUs.
  DimensionBits lacking(const ResourceSet& request) const;
  // How much of the dimension is left, in its smallest unit (ten-thousandths; bytes of memory).
  std::int64_t left(Dimension dimension) const;
  // How much of it the node has in all, in the same unit.
  std::int64_t capacity(Dimension dimension) const;
  void give_back(const Allocation& allocation);
  // A blocked task releases its CPUs, and takes them back when it goes on.
  void release_cpus(const Allocation& allocation);
  void take_back_cpus(const Allocation& allocation);

 private:
  Amount gpus_left() const;
  bool fits_gpus(Amount request) const;
  // Position in total_.named, or its size.
  std::size_t position_of(std::string_view name) const;
  std::vector<GpuShare> take_gpus(Amount request);

  ResourceSet total_;
  Amount cpus_left_;
  std::uint64_t memory_left_ = 0;
  std::vector<Amount> gpu_left_;    // by GPU index
  std::vector<Amount> named_left_;  // by position in total_.named
};

}  // namespace manta::sched
