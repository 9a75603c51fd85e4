// Requests under way: from a deployment's queue to a replica and back, in the loop's thread.
//
//   WORK-1  each admitted request gets one response, whatever happens to its replica; unless its client has left
//   WORK-2  a request whose replica died goes to another one as soon as the loop knows, wherever the first is restarted
//
// Threading: the loop's thread. Ownership: owns the requests, until they are answered.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <manta/http/responder.h>
#include <manta/ready_queue.h>

#include "serve/server/app.h"

namespace manta::serve {

class Work {
 public:
  using AppPtr = std::shared_ptr<App>;
  // Tells whether the replica can be called now; where not, it has taken it out of the routing.
  using Look = std::function<bool(App&, ReplicaId)>;

  // wake: see ReadyQueue.
  Work(std::function<void()> wake, Look look) : results_(std::move(wake)), look_(std::move(look)) {}

  // Takes the responder, too. False: the queue is full, and the responder is the caller's.
  bool admit(http::Responder& responder, const AppPtr& app, Request request);
  // Sends what can be sent. now: read where it is needed, if it is {}. earliest: when to come again at the latest.
  std::size_t dispatch(const AppPtr& app, Router::Time& now, std::optional<Router::Time>& earliest);
  // Answers what replicas have answered.
  std::size_t take_results();
  // False: there is something to take.
  [[nodiscard]] bool arm() { return results_.arm(); }
  bool under_way() const { return !sent_.empty(); }

  // The replica does not run, or is being replaced: what it had comes back.
  void replica_lost(const App& app, ReplicaId replica);
  // All requests of the app (null: of all apps) get this answer, those that run too.
  void refuse(const App* app, int status, const std::string& why);
  // Those that wait because no replica has been ready for long.
  void refuse_waiting(App& app, const std::string& why);
  // Frees what clients that have left had asked for: what waits is dropped, what runs is asked to stop.
  void drop_departed(Router::Time now);
  // Without answers. For the end.
  void clear();

 private:
  struct Pending {
    http::Responder responder;
    AppPtr app;
    Request request;
    Router::Time arrived;
    Router::Time sent;
    DispatchId at = 0;      // the message that it is in; 0: it waits
    bool departed = false;  // and still runs
  };
  struct Sent {  // a message to a replica
    AppPtr app;
    ReplicaId replica = 0;
    std::vector<RequestId> requests;
    Ref<detail::Replies> replies;
  };

  void send(const AppPtr& app, Router::Dispatch dispatch, Router::Time now);
  void deliver(DispatchId id, Sent& sent);
  void answer(Sent& sent, detail::Replies& replies, Router::Time now);
  void lost(DispatchId id, Sent& sent, bool started, const std::string& why, Router::Time now);
  void take_back(DispatchId id);
  void respond(RequestId id, Response response, Router::Time now);

  ReadyQueue results_;
  Look look_;
  std::unordered_map<RequestId, Pending> pending_;
  std::unordered_map<DispatchId, Sent> sent_;
  std::uint64_t next_id_ = 1;
};

// 503 with Retry-After.
Response unavailable_response(const std::string& why);

}  // namespace manta::serve
