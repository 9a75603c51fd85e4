#include "serve/server/engine.h"

#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <utility>

#include <manta/detail/check_option.h>
#include <manta/get.h>
#include <manta/version.h>

#include "serve/http/grammar.h"
#include "serve/server/session.h"

namespace manta::serve {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;
using asio::ip::tcp;

namespace {

constexpr std::chrono::microseconds kPoll{400};  // after the last thing that happened, while requests are under way

const std::string kVersion = std::to_string(MANTA_VERSION_MAJOR) + "." + std::to_string(MANTA_VERSION_MINOR) + "." +
                             std::to_string(MANTA_VERSION_PATCH);

Response json_page(std::string body) { return {.content_type = "application/json", .body = std::move(body)}; }

// RFC 3986, 3.2.2: an IPv6 address stands in brackets.
std::string with_port(const std::string& host, unsigned port) {
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(port);
}

// As many descriptors as the system allows: a connection needs one.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void check(const HttpOptions& options) {
  manta::detail::check_option("HttpOptions::max_header_bytes", static_cast<double>(options.max_header_bytes), 1);
  manta::detail::check_option("HttpOptions::max_connections", static_cast<double>(options.max_connections), 1);
  manta::detail::check_option("HttpOptions::idle_timeout", static_cast<double>(options.idle_timeout.count()), 1);
  manta::detail::check_option("HttpOptions::request_timeout", static_cast<double>(options.request_timeout.count()), 1);
}

}  // namespace

Engine::Engine(HttpOptions options)
    : options_(std::move(options)), log_(options_.access_log), results_([this] { asio::post(io_, [] {}); }) {
  const auto fail = [&](const boost::system::error_code& error) {
    throw Error(ErrorCode::unavailable,
                "cannot listen at " + with_port(options_.host, options_.port) + ": " + error.message() +
                    ". Next: choose another HttpOptions::port or host, or end who listens there");
  };
  check(options_);
  boost::system::error_code error;
  const auto host = asio::ip::make_address(options_.host == "localhost" ? "127.0.0.1" : options_.host, error);
  if (error) {
    throw Error(ErrorCode::invalid_argument, "HttpOptions::host is \"" + options_.host +
                                                 "\", which is no IP address. Next: 127.0.0.1 for "
                                                 "this machine alone, 0.0.0.0 for all networks");
  }
  const tcp::endpoint endpoint(host, options_.port);
  acceptor_.open(endpoint.protocol(), error);
  if (error) fail(error);
  acceptor_.set_option(asio::socket_base::reuse_address(true), error);
  acceptor_.bind(endpoint, error);
  if (error) fail(error);
  acceptor_.listen(4096, error);
  if (error) fail(error);
  raise_descriptor_limit();
  accept();
  watch_health();
}

Engine::~Engine() {
  stopping_ = true;
  pending_.clear();
  sent_.clear();
  for (Session* session : std::set<Session*>(sessions_)) session->close();
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  io_.poll();  // operations end, and with them their sessions
}

std::string Engine::address() const {
  const tcp::endpoint endpoint = acceptor_.local_endpoint();
  return with_port(endpoint.address().to_string(), endpoint.port());
}

void Engine::accept() {
  if (sessions_.size() >= options_.max_connections) {
    accepting_ = false;  // goes on when one is closed
    return;
  }
  accepting_ = true;
  acceptor_.async_accept([this](boost::system::error_code error, tcp::socket socket) {
    if (stopping_) return;
    if (error == asio::error::no_descriptors || error == asio::error::no_buffer_space ||
        error == asio::error::no_memory) {
      accepting_ = false;
      return;
    }
    if (!error) {
      socket.set_option(tcp::no_delay(true), error);
      std::make_shared<Session>(std::move(socket), *this)->read();
    }
    accept();
  });
}

void Engine::opened(Session& session) { sessions_.insert(&session); }

void Engine::closed(Session& session) {
  sessions_.erase(&session);
  if (accepting_ || stopping_) return;
  accepting_ = true;
  asio::post(io_, [this] {
    if (!stopping_) accept();
  });
}

void Engine::stop(Router::Time deadline) {
  asio::post(io_, [this, deadline] {
    stopping_ = true;
    stop_by_ = deadline;
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    for (Session* session : std::set<Session*>(sessions_)) session->finish();
  });
}

// --- the loop

void Engine::run() {
  Clock::time_point last = Clock::now();
  for (;;) {
    const std::size_t done = io_.poll() + take_results() + dispatch();
    if (stopping_ && (sessions_.empty() || Clock::now() >= stop_by_)) return;
    if (done != 0) {
      last = Clock::now();
      continue;
    }
    if (!sent_.empty() && Clock::now() - last < kPoll) {
      ::sched_yield();  // a replica may be waiting for this very processor
      continue;
    }
    if (log_) log_.flush();
    if (stopping_) wake_at(stop_by_);
    if (results_.arm()) io_.run_one();
    last = Clock::now();
  }
}

void Engine::wake_at(Router::Time time) {
  if (wake_at_ == time) return;  // setting it anew is an event, after which the loop would come here again
  wake_at_ = time;
  wake_timer_.expires_at(time);
  wake_timer_.async_wait([this](boost::system::error_code error) {
    if (!error) wake_at_ = {};
  });
}

std::size_t Engine::dispatch() {
  std::size_t done = 0;
  std::optional<Router::Time> earliest;
  Router::Time now{};
  for (const auto& [name, app] : apps_) done += dispatch(app, now, earliest);
  for (const auto& app : retired_) done += dispatch(app, now, earliest);
  if (earliest && done == 0) wake_at(*earliest);
  return done;
}

std::size_t Engine::dispatch(const std::shared_ptr<App>& app, Router::Time& now,
                             std::optional<Router::Time>& earliest) {
  if (app->router.queued() == 0) return 0;
  if (now == Router::Time{}) now = Clock::now();
  std::size_t done = 0;
  for (; auto next = app->router.next(now); ++done) send(app, std::move(*next), now);
  if (const auto deadline = app->router.deadline(); deadline && *deadline > now) {
    earliest = earliest ? std::min(*earliest, *deadline) : *deadline;
  }
  return done;
}

ReplicaId Engine::add_replica(App& app, std::shared_ptr<const detail::ReplicaLink> link) {
  const ReplicaId id = app.next_replica++;
  app.replicas[id] = {std::move(link), Clock::now(), {}, 0};
  app.router.add(id);
  return id;
}

void Engine::send(const std::shared_ptr<App>& app, Router::Dispatch dispatch, Router::Time now) {
  std::vector<Request> requests;
  requests.reserve(dispatch.requests.size());
  for (const RequestId id : dispatch.requests) {
    Pending& pending = pending_.at(id);
    pending.sent = now;
    requests.push_back(std::move(pending.request));
  }
  Sent sent{app, dispatch.replica, std::move(dispatch.requests), {}};
  try {
    sent.replies = app->replicas.at(dispatch.replica).link->handle(requests);
    const std::uint64_t id = next_id_++;
    results_.add(sent.replies, id);
    sent_.emplace(id, std::move(sent));
  } catch (const Error& error) {
    app->router.finished(sent.replica, sent.requests.size());
    for (const RequestId id : sent.requests) respond(id, detail::error_response(503, error.message()), now);
  }
}

std::size_t Engine::take_results() {
  if (sent_.empty()) return 0;
  std::size_t done = 0;
  for (const std::uint64_t id : results_.take()) {
    auto sent = sent_.extract(id);
    deliver(sent.mapped());
    ++done;
  }
  return done;
}

void Engine::deliver(Sent& sent) {
  App& app = *sent.app;
  app.router.finished(sent.replica, sent.requests.size());
  const auto now = Clock::now();
  Result<detail::Replies> replies = try_get(sent.replies, std::chrono::nanoseconds(0));
  if (replies && replies->responses.size() != sent.requests.size()) {
    replies = fail(ErrorCode::internal, "a replica answered " + std::to_string(replies->responses.size()) + " of " +
                                            std::to_string(sent.requests.size()) + " requests");
  }
  if (replies) {
    app.counts.requests += sent.requests.size();
    app.counts.executions += replies->executions;
    app.counts.input_ns += replies->input_ns;
    app.counts.compute_ns += replies->compute_ns;
    app.counts.output_ns += replies->output_ns;
  }
  for (std::size_t i = 0; i < sent.requests.size(); ++i) {
    Response response = replies ? std::move(replies->responses[i])
                                : detail::error_response(replies.error().code() == ErrorCode::task_failed ? 500 : 503,
                                                         replies.error().message());
    if (response.status < 200 || response.status > 599) {
      response =
          detail::error_response(500, "the deployment answered with the status " + std::to_string(response.status));
    }
    respond(sent.requests[i], std::move(response), now);
  }
}

void Engine::respond(RequestId id, Response response, Router::Time now) {
  auto pending = pending_.extract(id);
  if (pending.empty()) return;  // its app was stopped, which it has been told
  count(*pending.mapped().app, pending.mapped(), response.status, now);
  pending.mapped().session->respond(std::move(response));
}

void Engine::forget(const std::shared_ptr<App>& app) {
  std::erase(retired_, app);
  std::vector<RequestId> left;
  for (const auto& [id, pending] : pending_) {
    if (pending.app == app) left.push_back(id);
  }
  for (const RequestId id : left)
    respond(id, detail::error_response(503, "'" + app->options().name + "' was stopped"), Clock::now());
}

void Engine::count(App& app, const Pending& pending, int status, Router::Time now) {
  const auto us = [](Clock::duration time) {
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(time).count());
  };
  ++(status < 400 ? app.counts.success : status < 500 ? app.counts.refused : app.counts.failed);
  app.counts.request_us += us(now - pending.arrived);
  app.counts.queue_us += us(pending.sent - pending.arrived);
}

void Engine::answered(const tcp::socket& socket, const std::string& method, const std::string& target, int status,
                      std::size_t body_bytes, std::chrono::nanoseconds took) {
  ++counts_.responses[status];
  if (!log_) return;
  boost::system::error_code error;
  const auto peer = socket.remote_endpoint(error);
  log_.write(error ? "-" : peer.address().to_string(), method, target, status, body_bytes, took);
}

// --- requests

std::optional<Response> Engine::refusal_of(const http::RequestHead& head) const {
  Target ignored;
  return find(head, ignored);
}

std::optional<Response> Engine::find(const http::RequestHead& head, Target& target) const {
  static constexpr std::array<std::string_view, 8> kMethods{"GET",    "HEAD",    "POST",  "PUT",
                                                            "DELETE", "OPTIONS", "TRACE", "PATCH"};
  if (std::find(kMethods.begin(), kMethods.end(), head.method) == kMethods.end()) {
    return detail::error_response(501, "the method " + head.method + " is not implemented");
  }
  if (head.path == "*") return Response{.status = 204, .headers = {{"Allow", "GET, HEAD, POST, OPTIONS"}}};
  const Route& route = target.route = route_of(head.path);
  if (route.to == Route::To::nowhere) {
    return detail::error_response(
        404, "there is nothing at " + head.path + "; /v2 and /metrics are, and /NAME of each deployment");
  }
  if (auto refusal = find_app(head, target)) return refusal;
  const bool taken = head.method == "GET" || head.method == "HEAD" ? route.get : head.method == "POST" && route.post;
  if (taken) return std::nullopt;
  Response response = head.method == "OPTIONS"
                          ? Response{.status = 204}
                          : detail::error_response(405, head.path + " does not take " + head.method);
  response.headers.emplace_back("Allow",
                                std::string(route.get ? "GET, HEAD, " : "") + (route.post ? "POST, " : "") + "OPTIONS");
  return response;
}

std::optional<Response> Engine::find_app(const http::RequestHead& head, Target& target) const {
  const Route& route = target.route;
  if (route.name.empty()) return std::nullopt;
  const auto it = apps_.find(std::string(route.name));
  if (it == apps_.end()) {
    std::string have;
    for (const auto& [name, known] : apps_) have += (have.empty() ? "" : ", ") + name;
    return detail::error_response(404, "nothing called '" + std::string(route.name) +
                                           "' is served here; there is: " + (have.empty() ? "nothing" : have));
  }
  target.app = it->second;
  const std::string& name = target.app->options().name;
  const std::string& version = target.app->options().version;
  if (!route.version.empty() && route.version != version) {
    return detail::error_response(
        404, "'" + name + "' has no version '" + std::string(route.version) + "'; it has: " + version);
  }
  const bool model = target.app->description.model;
  if (route.to == Route::To::callable && model) {
    return detail::error_response(404, "'" + name + "' is a model: POST to /v2/models/" + name + "/infer");
  }
  if (route.to != Route::To::callable && !model) {
    return detail::error_response(404, "'" + name + "' is no model of the inference protocol: POST to /" + name);
  }
  const std::string_view coding = head.field("content-encoding");
  const bool computes = route.to == Route::To::callable || route.to == Route::To::infer;
  if (computes && !coding.empty() && !http::iequals(coding, "identity")) {
    return detail::error_response(
        415, "a body with Content-Encoding " + std::string(coding) + " is not taken; send it as it is");
  }
  return std::nullopt;
}

void Engine::answer(std::shared_ptr<Session> session, http::RequestHead& head, std::string body) {
  Target target;
  if (auto refusal = find(head, target)) return session->respond(std::move(*refusal));
  if (target.route.to == Route::To::callable || target.route.to == Route::To::infer) {
    return enqueue(std::move(session), std::move(target), head, std::move(body));
  }
  session->respond(page(target.route, target.app.get()));
}

void Engine::enqueue(std::shared_ptr<Session> session, Target target, http::RequestHead& head, std::string body) {
  const auto now = Clock::now();
  const RequestId id = next_id_++;
  const std::shared_ptr<App>& app = target.app;
  if (!app->router.enqueue(id, now)) {
    ++app->counts.rejected;
    Response response = detail::error_response(503, "'" + app->options().name +
                                                        "' is overloaded: " + std::to_string(app->router.queued()) +
                                                        " requests wait (DeploymentOptions::max_queued_requests)");
    response.headers.emplace_back("Retry-After", "1");
    return session->respond(std::move(response));
  }
  Pending pending{std::move(session), app, {}, now, now};
  Request& request = pending.request;
  request.body = std::move(body);
  if (target.route.to == Route::To::infer) {
    if (const std::string_view length = head.field("inference-header-content-length"); !length.empty()) {
      request.headers.emplace_back("inference-header-content-length", length);
    }
    request.headers.emplace_back("model-name", app->options().name);
    request.headers.emplace_back("model-version", app->options().version);
  } else if (app->description.raw) {
    request.method = head.method;
    request.path = head.path;
    request.query = std::move(head.query);
    request.headers = std::move(head.fields);
  }
  pending_.emplace(id, std::move(pending));
}

Response Engine::page(const Route& route, const App* app) const {
  using Json = nlohmann::json;
  std::vector<const App*> models, all;
  for (const auto& [name, each] : apps_) {
    all.push_back(each.get());
    if (each->description.model && (app == nullptr || app == each.get())) models.push_back(each.get());
  }
  switch (route.to) {
    case Route::To::metrics: {
      ServerCounts counts = counts_;
      counts.connections = sessions_.size();
      return {.content_type = "text/plain; version=0.0.4; charset=utf-8", .body = metrics_of(all, counts)};
    }
    case Route::To::server_metadata:
      return json_page(
          Json{{"name", "manta"},
               {"version", kVersion},
               {"extensions", {"binary_tensor_data", "model_configuration", "model_repository", "statistics"}}}
              .dump());
    case Route::To::model_metadata:
      return json_page(metadata_of(*app));
    case Route::To::model_config:
      return json_page(config_of(*app));
    case Route::To::model_statistics:
      return json_page(statistics_of(models));
    case Route::To::repository_index: {
      Json list = Json::array();
      for (const App* each : models)
        list.push_back({{"name", each->options().name}, {"version", each->options().version}, {"state", "READY"}});
      return json_page(list.dump());
    }
    case Route::To::live:
      return {};
    default:
      return stopping_ ? detail::error_response(503, "the server is being shut down") : Response{};  // ready
  }
}

}  // namespace manta::serve
