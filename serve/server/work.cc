#include "serve/server/work.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include <manta/cancel.h>
#include <manta/get.h>

namespace manta::serve {

using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds kYoung{50};  // a younger request is not asked whether its client has left

// The call did not end by what it computed, but with its actor, or was taken back.
bool is_loss(ErrorCode code) {
  return code == ErrorCode::unavailable || code == ErrorCode::actor_died || code == ErrorCode::worker_died ||
         code == ErrorCode::cancelled || code == ErrorCode::object_lost;
}

// How the replica's last process ended.
std::string end_of(const App& app, ReplicaId replica, const std::string& else_this) {
  try {
    const auto it = app.replicas.find(replica);
    const std::string reason = it == app.replicas.end() ? std::string() : it->second.link->status(true).reason;
    return reason.empty() ? else_this : reason;
  } catch (const Error& error) {
    return error.message();
  }
}

}  // namespace

Response unavailable_response(const std::string& why) {
  Response response = http::error_response(503, why);
  response.headers.emplace_back("Retry-After", "1");
  return response;
}

bool Work::admit(http::Responder& responder, const AppPtr& app, Request request) {
  const auto now = Clock::now();
  const RequestId id = next_id_++;
  if (!app->router.enqueue(id, now)) return false;
  pending_.emplace(id, Pending{std::move(responder), app, std::move(request), now, now});
  return true;
}

std::size_t Work::dispatch(const AppPtr& app, Router::Time& now, std::optional<Router::Time>& earliest) {
  Router& router = app->router;
  if (router.queued() + router.ongoing() == 0) return 0;
  if (now == Router::Time{}) now = Clock::now();
  std::size_t done = 0;
  while (auto next = router.next(now, next_id_)) {
    ++next_id_;
    if (!look_(*app, next->replica)) {
      router.returned(next->id);
      continue;
    }
    send(app, std::move(*next), now);
    ++done;
  }
  if (router.ongoing() > 1 && router.queued() == 0) {
    for (const DispatchId id : router.take_back(now)) take_back(id);
  }
  if (const auto deadline = router.deadline(); deadline && *deadline > now) {
    earliest = earliest ? std::min(*earliest, *deadline) : *deadline;
  }
  return done;
}

void Work::send(const AppPtr& app, Router::Dispatch dispatch, Router::Time now) {
  std::vector<Request> requests;
  requests.reserve(dispatch.requests.size());
  std::vector<Pending*> pending;
  pending.reserve(dispatch.requests.size());
  for (const RequestId id : dispatch.requests) {
    pending.push_back(&pending_.at(id));
    pending.back()->sent = now;
    pending.back()->at = dispatch.id;
    requests.push_back(std::move(pending.back()->request));
  }
  Sent sent{app, dispatch.replica, std::move(dispatch.requests), {}};
  std::optional<Error> failed;
  try {
    sent.replies = app->replicas.at(dispatch.replica).link->handle(requests);
    results_.add(sent.replies, dispatch.id);
  } catch (const Error& error) {
    failed = error;
  }
  // They are kept, to be sent again if the replica dies.
  for (std::size_t i = 0; i < requests.size(); ++i) pending[i]->request = std::move(requests[i]);
  if (!failed) {
    sent_.emplace(dispatch.id, std::move(sent));
    return;
  }
  app->router.finished(dispatch.id, now, {});
  for (const RequestId id : sent.requests) respond(id, unavailable_response(failed->message()), now);
}

void Work::take_back(DispatchId id) {
  const auto it = sent_.find(id);
  if (it == sent_.end()) return;
  try {
    manta::cancel(it->second.replies);
  } catch (const Error&) {
    // The runtime is gone: so is the call, and its result says so.
  }
}

std::size_t Work::take_results() {
  if (sent_.empty()) return 0;
  std::size_t done = 0;
  for (const std::uint64_t id : results_.take()) {
    auto sent = sent_.extract(id);
    deliver(id, sent.mapped());
    ++done;
  }
  return done;
}

void Work::deliver(DispatchId id, Sent& sent) {
  App& app = *sent.app;
  const auto now = Clock::now();
  Result<detail::Replies> replies = try_get(sent.replies, std::chrono::nanoseconds(0));
  if (replies && replies->died) return lost(id, sent, true, "its process ended while the request ran", now);
  if (!replies) {
    const bool there = app.replicas.contains(sent.replica);
    const bool runs = there && look_(app, sent.replica);
    if (is_loss(replies.error().code()) || !runs) {
      return lost(id, sent, app.router.oldest(id), replies.error().message(), now);
    }
  }
  if (replies && replies->responses.size() != sent.requests.size()) {
    replies = fail(ErrorCode::internal, "a replica answered " + std::to_string(replies->responses.size()) + " of " +
                                            std::to_string(sent.requests.size()) + " requests");
  }
  if (replies) {
    const std::chrono::nanoseconds took(replies->input_ns + replies->compute_ns + replies->output_ns);
    app.router.finished(id, now,
                        std::max<std::chrono::nanoseconds>(took / static_cast<std::int64_t>(sent.requests.size()),
                                                           std::chrono::nanoseconds(1)));
    return answer(sent, *replies, now);
  }
  app.router.finished(id, now, {});
  const bool full = replies.error().code() == ErrorCode::exhausted;
  for (const RequestId each : sent.requests) {
    respond(
        each,
        full ? unavailable_response(replies.error().message()) : http::error_response(500, replies.error().message()),
        now);
  }
}

void Work::answer(Sent& sent, detail::Replies& replies, Router::Time now) {
  Counts& counts = sent.app->counts;
  counts.requests += sent.requests.size();
  counts.executions += replies.executions;
  counts.input_ns += replies.input_ns;
  counts.compute_ns += replies.compute_ns;
  counts.output_ns += replies.output_ns;
  for (std::size_t i = 0; i < sent.requests.size(); ++i) {
    Response& response = replies.responses[i];
    if (response.status < 200 || response.status > 599) {
      response =
          http::error_response(500, "the deployment answered with the status " + std::to_string(response.status));
    }
    respond(sent.requests[i], std::move(response), now);
  }
}

// started: it may have been running. The router says which requests have killed too many processes.
void Work::lost(DispatchId id, Sent& sent, bool started, const std::string& why, Router::Time now) {
  App& app = *sent.app;
  std::vector<RequestId> given_up;
  if (started) {
    given_up = app.router.died(id);
  } else {
    app.router.returned(id);
  }
  for (const RequestId each : given_up) {
    respond(each,
            http::error_response(500, "the process that computed this request ended, each of the " +
                                          std::to_string(app.options().max_retries + 1) + " times that it was tried: " +
                                          end_of(app, sent.replica, why) + ". Next: see what the deployment '" +
                                          app.options().name + "' printed, and try it with this request alone"),
            now);
  }
  for (const RequestId each : sent.requests) {
    const auto it = pending_.find(each);
    if (it != pending_.end() && !it->second.departed) {
      it->second.at = 0;
      continue;
    }
    app.router.drop(each);  // no client waits for its answer
    if (it != pending_.end()) pending_.erase(it);
  }
}

void Work::replica_lost(const App& app, ReplicaId replica) {
  for (const auto& [id, sent] : sent_) {
    if (sent.app.get() == &app && sent.replica == replica) take_back(id);
  }
}

void Work::respond(RequestId id, Response response, Router::Time now) {
  auto node = pending_.extract(id);
  if (node.empty()) return;  // it was refused, and its client has the response
  Pending& pending = node.mapped();
  if (pending.departed) return;
  const auto us = [](Clock::duration time) {
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(time).count());
  };
  Counts& counts = pending.app->counts;
  ++(response.status < 400 ? counts.success : response.status < 500 ? counts.refused : counts.failed);
  counts.request_us += us(now - pending.arrived);
  counts.queue_us += us(pending.sent - pending.arrived);
  std::move(pending.responder).respond(std::move(response));
}

void Work::refuse(const App* app, int status, const std::string& why) {
  std::vector<RequestId> left;
  for (const auto& [id, pending] : pending_) {
    if (app == nullptr || pending.app.get() == app) left.push_back(id);
  }
  const auto now = Clock::now();
  for (const RequestId id : left) {
    pending_.at(id).app->router.drop(id);
    respond(id, status == 503 ? unavailable_response(why) : http::error_response(status, why), now);
  }
}

void Work::refuse_waiting(App& app, const std::string& why) {
  const auto now = Clock::now();
  for (const RequestId id : app.router.give_up()) respond(id, unavailable_response(why), now);
}

void Work::drop_departed(Router::Time now) {
  std::vector<pollfd> sockets;
  std::vector<RequestId> ids;
  for (const auto& [id, pending] : pending_) {
    if (pending.departed || now - pending.arrived < kYoung) continue;
    sockets.push_back({pending.responder.socket(), POLLRDHUP, 0});
    ids.push_back(id);
  }
  if (sockets.empty() || ::poll(sockets.data(), sockets.size(), 0) <= 0) return;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if ((sockets[i].revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) == 0) continue;
    const auto it = pending_.find(ids[i]);
    Pending& pending = it->second;
    ++pending.app->counts.departed;
    std::move(pending.responder).close();
    if (pending.app->router.drop(ids[i])) {
      pending_.erase(it);
      continue;
    }
    pending.departed = true;
    const auto sent = sent_.find(pending.at);
    if (sent == sent_.end()) continue;
    const bool all = std::all_of(sent->second.requests.begin(), sent->second.requests.end(), [&](RequestId each) {
      const auto known = pending_.find(each);
      return known == pending_.end() || known->second.departed;
    });
    if (all || !sent->second.app->router.oldest(sent->first)) take_back(sent->first);
  }
}

void Work::clear() {
  pending_.clear();
  sent_.clear();
}

}  // namespace manta::serve
