// What stress runs do to the processes of a run, and what must be the same after it as before.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <thread>

namespace manta::stress {

// Kills a worker, or now and then the zygote, at random moments, in a thread of its own.
//
// Threading: stop() and the destructor by the thread that made it; kills() by any. Ownership: joins its thread.
class Killer {
 public:
  struct Pauses {
    std::chrono::milliseconds shortest, longest;
  };
  // at_work: a mark (effects.h) with the process that had work last; it is killed rather than another.
  Killer(std::uint64_t seed, Pauses pauses, std::optional<std::uint32_t> at_work = std::nullopt);
  ~Killer() { stop(); }
  Killer(const Killer&) = delete;
  Killer& operator=(const Killer&) = delete;

  void stop();
  // Of all killers so far.
  static int kills() { return kills_; }

 private:
  void kill_at_random(std::uint64_t seed, Pauses pauses, std::optional<std::uint32_t> at_work);

  static inline std::atomic<int> kills_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

// What the driver and the node process hold, once nothing runs.
struct Holdings {
  std::size_t descriptors, node_descriptors, mappings, node_mappings, store_bytes;
  int children;

  static Holdings now(int node);
  void print(const char* when) const;
  // Workers come and go: what is counted by their number may differ as their number does.
  bool within(const Holdings& before) const;
};

}  // namespace manta::stress
