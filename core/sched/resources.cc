#include "core/sched/resources.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <utility>

namespace manta::sched {

namespace {

constexpr std::int64_t kStepsPerUnit = 10'000;
constexpr Amount kOneGpu = Amount::from_units(kStepsPerUnit);

std::string number(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.10g", value);
  return text.data();
}

void append(std::string& text, std::string_view separator, std::string_view more) {
  if (!text.empty()) {
    text += separator;
  }
  text += more;
}

std::string part(std::string_view name, const std::string& amount) { return std::string(name) + ": " + amount; }

// One clause of why_infeasible.
void append_shortage(std::string& text, std::string_view name, const std::string& asked, bool has_some,
                     const std::string& offered) {
  append(text, "; ",
         has_some ? "needs " + part(name, asked) + ", the node has " + part(name, offered)
                  : part(name, asked) + " asked for, none here");
}

// Amounts below zero or out of order can only come from a broken or hostile peer; the ledger must survive them.
bool well_formed(const ResourceSet& request) {
  if (request.cpus < Amount() || request.gpus < Amount()) {
    return false;
  }
  for (std::size_t i = 0; i < request.named.size(); ++i) {
    if (request.named[i].amount <= Amount() || (i > 0 && request.named[i].name <= request.named[i - 1].name)) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::string bytes_to_string(std::uint64_t bytes) {
  constexpr std::array<const char*, 7> kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) {
    return std::to_string(bytes) + " B";
  }
  std::size_t unit = 0;
  double value = static_cast<double>(bytes);
  // 1023.95 would print as "1024.0" of the smaller unit.
  while (value >= 1023.95 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f %s", value, kUnits[unit]);
  return text.data();
}

bool whole_or_share(Amount gpus) { return gpus <= kOneGpu || gpus.units() % kStepsPerUnit == 0; }

Result<Amount> Amount::from_double(double value, std::string_view what) {
  const auto invalid = [&](std::string_view advice) {
    return fail(ErrorCode::invalid_argument, std::string(what) + " is " + number(value) + "; " + std::string(advice));
  };
  if (std::isnan(value) || value < 0) {
    return invalid("give an amount of 0 or more");
  }
  if (value > 9e14) {
    return invalid("give at most 9e14");
  }
  const double steps = std::round(value * kStepsPerUnit);
  // A large value has no finer digits than its own spacing.
  const double tolerance = std::max(1e-9, value * 4.5e-16);
  if (std::abs(value - steps / kStepsPerUnit) > tolerance) {
    return invalid("give a multiple of 0.0001");
  }
  return from_units(static_cast<std::int64_t>(steps));
}

std::string Amount::to_string() const {
  const bool negative = units_ < 0;
  const std::uint64_t magnitude =
      negative ? 0 - static_cast<std::uint64_t>(units_) : static_cast<std::uint64_t>(units_);
  std::string text = (negative ? "-" : "") + std::to_string(magnitude / kStepsPerUnit);
  if (std::uint64_t fraction = magnitude % kStepsPerUnit; fraction != 0) {
    std::string digits = std::to_string(kStepsPerUnit + fraction).substr(1);
    digits.erase(digits.find_last_not_of('0') + 1);
    text += "." + digits;
  }
  return text;
}

std::string ResourceSet::to_string() const {
  std::string text;
  if (!cpus.zero()) {
    append(text, ", ", part("CPU", cpus.to_string()));
  }
  if (!gpus.zero()) {
    append(text, ", ", part("GPU", gpus.to_string()));
  }
  if (memory_bytes != 0) {
    append(text, ", ", part("memory", bytes_to_string(memory_bytes)));
  }
  for (const NamedAmount& resource : named) {
    append(text, ", ", part(resource.name, resource.amount.to_string()));
  }
  return text.empty() ? "nothing" : text;
}

Ledger::Ledger(ResourceSet total) : total_(std::move(total)) {
  std::sort(total_.named.begin(), total_.named.end());
  std::vector<NamedAmount> merged;
  for (NamedAmount& resource : total_.named) {
    if (!merged.empty() && merged.back().name == resource.name) {
      merged.back().amount += resource.amount;
    } else if (!resource.amount.zero()) {
      merged.push_back(std::move(resource));
    }
  }
  total_.named = std::move(merged);
  const std::int64_t gpus = total_.gpus.units() / kStepsPerUnit;
  total_.gpus = Amount::from_units(gpus * kStepsPerUnit);
  cpus_left_ = total_.cpus;
  memory_left_ = total_.memory_bytes;
  gpu_left_.assign(static_cast<std::size_t>(gpus), kOneGpu);
  for (const NamedAmount& resource : total_.named) {
    named_left_.push_back(resource.amount);
  }
}

Ledger Ledger::of_part(const Allocation& part) {
  Ledger ledger(part.taken);
  ledger.total_.own_worker = ledger.total_.reservation = false;
  ledger.gpu_left_.clear();
  for (const GpuShare& share : part.gpus) {
    ledger.gpu_left_.resize(share.index + 1);
    ledger.gpu_left_[share.index] = share.amount;
  }
  ledger.total_.gpus = ledger.gpus_left();
  return ledger;
}

Amount Ledger::gpus_left() const { return std::accumulate(gpu_left_.begin(), gpu_left_.end(), Amount()); }

ResourceSet Ledger::available() const {
  ResourceSet left;
  left.cpus = cpus_left_;
  left.gpus = gpus_left();
  left.memory_bytes = memory_left_;
  for (std::size_t i = 0; i < named_left_.size(); ++i) {
    if (!named_left_[i].zero()) {
      left.named.push_back({total_.named[i].name, named_left_[i]});
    }
  }
  return left;
}

std::size_t Ledger::position_of(std::string_view name) const {
  const auto found =
      std::lower_bound(total_.named.begin(), total_.named.end(), name,
                       [](const NamedAmount& resource, std::string_view n) { return resource.name < n; });
  return found != total_.named.end() && found->name == name ? static_cast<std::size_t>(found - total_.named.begin())
                                                            : total_.named.size();
}

bool Ledger::feasible(const ResourceSet& request) const { return why_infeasible(request).empty(); }

std::string Ledger::why_infeasible(const ResourceSet& request) const {
  if (!well_formed(request)) {
    return "the request is malformed: amounts must be positive and names sorted";
  }
  std::string why;
  if (request.cpus > total_.cpus) {
    append_shortage(why, "CPU", request.cpus.to_string(), !total_.cpus.zero(), total_.cpus.to_string());
  }
  if (request.gpus > total_.gpus) {
    append_shortage(why, "GPU", request.gpus.to_string(), !total_.gpus.zero(), total_.gpus.to_string());
  } else if (!whole_or_share(request.gpus)) {
    append(why, "; ", part("GPU", request.gpus.to_string()) + " asked for, only whole GPUs are given above 1");
  }
  if (request.memory_bytes > total_.memory_bytes) {
    append_shortage(why, "memory", bytes_to_string(request.memory_bytes), total_.memory_bytes != 0,
                    bytes_to_string(total_.memory_bytes));
  }
  for (const NamedAmount& asked : request.named) {
    const std::size_t at = position_of(asked.name);
    const Amount offered = at < total_.named.size() ? total_.named[at].amount : Amount();
    if (asked.amount > offered) {
      append_shortage(why, asked.name, asked.amount.to_string(), !offered.zero(), offered.to_string());
    }
  }
  return why;
}

std::string Ledger::why_not_now(const ResourceSet& request) const {
  const DimensionBits bits = lacking(request);
  std::string why;
  const auto add = [&](std::string_view name, const std::string& asked, const std::string& offered,
                       const std::string& free) {
    append(why, "; ", "asks for " + part(name, asked) + ", of " + part(name, offered) + " here " + free + " is free");
  };
  if (bits & bit_of(kCpus)) {
    add("CPU", request.cpus.to_string(), total_.cpus.to_string(), std::max(Amount(), cpus_left_).to_string());
  }
  if (bits & bit_of(kGpus)) {
    const Amount free = gpus_left();
    add("GPU", request.gpus.to_string(), total_.gpus.to_string(), free.to_string());
    if (free >= request.gpus) {
      why += ", in pieces too small";
    }
  }
  if (bits & bit_of(kMemory)) {
    add("memory", bytes_to_string(request.memory_bytes), bytes_to_string(total_.memory_bytes),
        bytes_to_string(memory_left_));
  }
  for (const NamedAmount& asked : request.named) {
    const std::size_t at = position_of(asked.name);
    if (at < named_left_.size() && asked.amount > named_left_[at]) {
      add(asked.name, asked.amount.to_string(), total_.named[at].amount.to_string(), named_left_[at].to_string());
    }
  }
  return why;
}

bool Ledger::fits_gpus(Amount request) const {
  if (request.zero()) {
    return true;
  }
  if (request < kOneGpu) {
    return std::any_of(gpu_left_.begin(), gpu_left_.end(), [&](Amount left) { return left >= request; });
  }
  const auto empty = std::count(gpu_left_.begin(), gpu_left_.end(), kOneGpu);
  return request.units() % kStepsPerUnit == 0 && empty >= request.units() / kStepsPerUnit;
}

DimensionBits Ledger::lacking(const ResourceSet& request) const {
  DimensionBits bits = 0;
  // Asking for none is always served, even while more CPUs are in use than there are.
  if (!request.cpus.zero() && request.cpus > cpus_left_) {
    bits |= bit_of(kCpus);
  }
  if (!fits_gpus(request.gpus)) {
    bits |= bit_of(kGpus);
  }
  if (request.memory_bytes > memory_left_) {
    bits |= bit_of(kMemory);
  }
  for (const NamedAmount& asked : request.named) {
    const std::size_t at = position_of(asked.name);
    if (at == named_left_.size() || asked.amount > named_left_[at]) {
      bits |= bit_of(kFirstNamed + static_cast<Dimension>(at));
    }
  }
  return bits;
}

std::int64_t Ledger::left(Dimension dimension) const {
  switch (dimension) {
    case kCpus:
      return cpus_left_.units();
    case kGpus:
      return gpus_left().units();
    case kMemory:
      return static_cast<std::int64_t>(memory_left_);
    case kWorkers:
      return 0;
    default:
      return named_left_[dimension - kFirstNamed].units();
  }
}

std::int64_t Ledger::capacity(Dimension dimension) const {
  switch (dimension) {
    case kCpus:
      return total_.cpus.units();
    case kGpus:
      return total_.gpus.units();
    case kMemory:
      return static_cast<std::int64_t>(total_.memory_bytes);
    case kWorkers:
      return 0;
    default:
      return total_.named[dimension - kFirstNamed].amount.units();
  }
}

std::vector<GpuShare> Ledger::take_gpus(Amount request) {
  std::vector<GpuShare> shares;
  if (request.zero()) {
    return shares;
  }
  if (request < kOneGpu) {
    std::size_t best = gpu_left_.size();
    for (std::size_t i = 0; i < gpu_left_.size(); ++i) {
      if (gpu_left_[i] >= request && (best == gpu_left_.size() || gpu_left_[i] < gpu_left_[best])) {
        best = i;
      }
    }
    gpu_left_[best] -= request;
    shares.push_back({static_cast<std::uint32_t>(best), request});
    return shares;
  }
  auto wanted = static_cast<std::size_t>(request.units() / kStepsPerUnit);
  for (std::size_t i = 0; wanted > 0; ++i) {
    if (gpu_left_[i] == kOneGpu) {
      gpu_left_[i] = Amount();
      shares.push_back({static_cast<std::uint32_t>(i), kOneGpu});
      --wanted;
    }
  }
  return shares;
}

Result<Allocation> Ledger::take(const ResourceSet& request) {
  if (!fits(request)) {
    return fail(ErrorCode::exhausted, "the node cannot give " + request.to_string() + " now: " + why_not_now(request) +
                                          "; try again when a lease was returned");
  }
  Allocation allocation;
  allocation.taken = request;
  allocation.gpus = take_gpus(request.gpus);
  cpus_left_ -= request.cpus;
  memory_left_ -= request.memory_bytes;
  for (const NamedAmount& asked : request.named) {
    named_left_[position_of(asked.name)] -= asked.amount;
  }
  return allocation;
}

void Ledger::give_back(const Allocation& allocation) {
  cpus_left_ += allocation.taken.cpus;
  memory_left_ += allocation.taken.memory_bytes;
  for (const GpuShare& share : allocation.gpus) {
    gpu_left_[share.index] += share.amount;
    assert(gpu_left_[share.index] <= kOneGpu);
  }
  for (const NamedAmount& resource : allocation.taken.named) {
    named_left_[position_of(resource.name)] += resource.amount;
  }
  assert(memory_left_ <= total_.memory_bytes);
}

void Ledger::release_cpus(const Allocation& allocation) { cpus_left_ += allocation.taken.cpus; }

void Ledger::take_back_cpus(const Allocation& allocation) { cpus_left_ -= allocation.taken.cpus; }

}  // namespace manta::sched
