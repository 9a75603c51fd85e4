// Heartbeats of replicas' processes, independent of how long requests take. Internal: everything here may change.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <thread>
#include <vector>

#include <manta/actor.h>
#include <manta/detail/mutex.h>

namespace manta::serve::detail {

// A replica's last heartbeat.
struct Beat {
  std::uint64_t replica = 0;
  std::uint64_t count = 0;        // of its heartbeats so far
  std::int64_t checking_ms = -1;  // how long its check_health() has been running; -1: it does not run
};

// The actor to which replicas send heartbeats and that the server polls; one for each server.
class Pulse {
 public:
  void beat(std::uint64_t replica, std::int64_t checking_ms);
  // The last heartbeats of these replicas; forgets all others.
  std::vector<Beat> beats(const std::vector<std::uint64_t>& replicas);

 private:
  std::map<std::uint64_t, Beat> beats_;
};

// What a replica's Heart needs.
struct Lifeline {
  manta::Actor<Pulse> pulse;
  std::uint64_t replica = 0;  // its number at the pulse, the same after restarts of its actor
  std::int64_t period_ms = 1000;
};

// A thread of a replica's process that sends heartbeats while another thread computes.
//
// Threading: checking() and checked() by the replica's thread. Ownership: owns its thread; the destructor ends it.
class Heart {
 public:
  explicit Heart(Lifeline line);
  ~Heart();
  Heart(const Heart&) = delete;
  Heart& operator=(const Heart&) = delete;

  // check_health() starts; ends.
  void checking() { checking_since_ = std::chrono::steady_clock::now().time_since_epoch().count(); }
  void checked() { checking_since_ = 0; }

 private:
  void run();
  void beat();

  Lifeline line_;
  std::atomic<std::int64_t> checking_since_{0};  // 0: it does not run
  manta::detail::Mutex mutex_;
  manta::detail::CondVar stopped_;
  bool stopping_ MANTA_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace manta::serve::detail
