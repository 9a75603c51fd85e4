// Which requests go to which replica, and when: a plain class, without clocks, threads or sockets.
//
//   ROUTE-1  requests leave in the order in which they came
//   ROUTE-2  a replica has at most max_ongoing requests; one that drains gets none
//   ROUTE-3  of two free replicas taken by chance, the one with fewer requests gets the next ("The Power of Two Choices in
//            Randomized Load Balancing", Mitzenmacher 2001)
//   ROUTE-4  batches: a full one leaves as soon as a replica has less than two; one that is not full when a replica has
//            none and its oldest request has waited for batch_wait
//
// Threading: none. Ownership: of its queue.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <vector>

namespace manta::serve {

using RequestId = std::uint64_t;
using ReplicaId = std::uint32_t;

class Router {
 public:
  using Time = std::chrono::steady_clock::time_point;

  struct Options {
    std::size_t max_batch = 0;  // 0: no batches
    std::size_t max_ongoing = 100;
    std::size_t max_queued = 10'000;
    std::chrono::microseconds batch_wait{0};
  };
  struct Dispatch {
    ReplicaId replica = 0;
    std::vector<RequestId> requests;
  };

  explicit Router(const Options& options, std::uint32_t seed = 1) : options_(options), random_(seed) {}
  void set_options(const Options& options) { options_ = options; }

  void add(ReplicaId replica) { replicas_[replica]; }
  void drain(ReplicaId replica) { replicas_.at(replica).draining = true; }
  bool idle(ReplicaId replica) const { return replicas_.at(replica).ongoing == 0; }
  void remove(ReplicaId replica) { replicas_.erase(replica); }

  // False: the queue is full.
  bool enqueue(RequestId request, Time now);
  // The next requests to send; nothing: none can leave now.
  std::optional<Dispatch> next(Time now);
  // When next() may give something although nothing else happens.
  std::optional<Time> deadline() const;
  // `count` requests of a dispatch have their answers, or never will.
  void finished(ReplicaId replica, std::size_t count);

  std::size_t queued() const { return queue_.size(); }
  std::size_t ongoing() const { return ongoing_; }

 private:
  struct Replica {
    std::size_t ongoing = 0;
    std::size_t batches = 0;
    bool draining = false;
  };
  struct Queued {
    RequestId request = 0;
    Time since;
  };
  bool takes(const Replica& replica, Time now) const;

  Options options_;
  std::minstd_rand random_;
  std::map<ReplicaId, Replica> replicas_;
  std::deque<Queued> queue_;
  std::size_t ongoing_ = 0;
};

}  // namespace manta::serve
