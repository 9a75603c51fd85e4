// Decides which requests go to which replica, and when: a plain class, without clocks, threads or sockets.
//
//   ROUTE-1  requests leave the queue in order of arrival
//   ROUTE-2  a replica that is not ready, or that drains, gets no request; any other has at most max_ongoing
//   ROUTE-3  the replica with the fewest requests gets the next one; it gets more than one only while they take about a
//            millisecond together. Longer requests wait in the queue for the first free replica
//   ROUTE-4  batches: a full one leaves when a replica has none, or one that takes less than kBatchAhead; a partial one
//            leaves when a replica has none and the oldest request has waited for batch_wait
//   ROUTE-5  requests that wait at a busy replica return to the queue when another one was idle for kPatience
//   ROUTE-6  a request whose replica died while it ran is retried alone: its replica then has no other request. So a
//            request that kills its process is found, and the others of its batch succeed
//
// Threading: none of its own. Ownership: owns its queue.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <unordered_map>
#include <vector>

namespace manta::serve {

using RequestId = std::uint64_t;   // increase with arrival
using DispatchId = std::uint64_t;  // a message to a replica
using ReplicaId = std::uint32_t;

class Router {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::microseconds kAhead{1000};
  static constexpr std::chrono::microseconds kBatchAhead{5000};
  static constexpr std::chrono::microseconds kPatience{1000};
  // How long requests wait while no replica is ready: a replica that died is back within milliseconds.
  static constexpr std::chrono::seconds kHope{5};

  struct Options {
    std::size_t max_batch = 0;  // 0: no batches
    std::size_t max_ongoing = 100;
    std::size_t max_queued = 10'000;
    std::chrono::microseconds batch_wait{0};
    int max_retries = 3;  // of a request whose replica died; -1: no limit
  };
  struct Dispatch {
    DispatchId id = 0;
    ReplicaId replica = 0;
    std::vector<RequestId> requests;
  };

  explicit Router(const Options& options, std::uint32_t seed = 1) : options_(options), random_(seed) {}
  void set_options(const Options& options) { options_ = options; }

  // --- replicas
  void add(ReplicaId replica) { replicas_[replica]; }
  void set_ready(ReplicaId replica, bool ready) { replicas_.at(replica).ready = ready; }
  void drain(ReplicaId replica) { replicas_.at(replica).draining = true; }
  bool idle(ReplicaId replica) const { return replicas_.at(replica).sent.empty(); }
  void remove(ReplicaId replica) { replicas_.erase(replica); }
  bool any_ready() const;

  // --- requests
  // False: the queue is full.
  bool enqueue(RequestId request, Time now);
  // Its client has left. False: it is not in the queue.
  bool drop(RequestId request);
  // The next message to send, under this id; empty: none can leave now.
  std::optional<Dispatch> next(Time now, DispatchId id);
  // When next() or take_back() may return something without another event.
  std::optional<Time> deadline() const;
  // Messages to take back for an idle replica (ROUTE-5). Each is returned once.
  std::vector<DispatchId> take_back(Time now);
  // Whether no replica has been ready for kHope. Call it periodically.
  bool hopeless(Time now);
  // Empties the queue and returns its requests.
  std::vector<RequestId> give_up();

  // --- how a message ended
  // The replica has answered. each: its time for one request; 0: unknown.
  void finished(DispatchId id, Time now, std::chrono::nanoseconds each);
  // It had not started: its requests return to their places in the queue.
  void returned(DispatchId id);
  // Its replica died while it ran: its requests return to the queue, to be retried alone. Returns those without retries
  // left.
  std::vector<RequestId> died(DispatchId id);
  // Whether it is its replica's oldest message, which may have started.
  bool oldest(DispatchId id) const;

  std::size_t queued() const { return queue_.size(); }
  std::size_t ongoing() const { return ongoing_; }

 private:
  struct Queued {
    RequestId request = 0;
    Time since;
    int deaths = 0;  // of replicas that ran it
  };
  struct Replica {
    bool ready = false;
    bool draining = false;
    bool exclusive = false;  // has a request that is retried alone
    std::size_t ongoing = 0;
    Time progress;                 // the last answer, or the first message after it was idle
    std::vector<DispatchId> sent;  // oldest first
  };
  struct Sent {
    ReplicaId replica = 0;
    std::vector<Queued> requests;
    bool asked_back = false;
  };
  bool takes(const Replica& replica, Time now, std::size_t joinable) const;
  std::size_t joinable() const;
  std::size_t ahead() const;
  void put_back(const Queued& queued);
  Sent take_out(DispatchId id);
  bool any_idle() const;

  Options options_;
  std::minstd_rand random_;
  std::map<ReplicaId, Replica> replicas_;
  std::deque<Queued> queue_;
  std::size_t alone_ = 0;  // requests in the queue that are retried alone
  std::unordered_map<DispatchId, Sent> sent_;
  std::size_t ongoing_ = 0;
  std::chrono::nanoseconds cost_{0};  // of a request, smoothed; 0: unknown
  std::optional<Time> hopeless_since_;
};

}  // namespace manta::serve
