#include "serve/server/engine.h"

#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include <manta/detail/check_option.h>
#include <manta/get.h>
#include <manta/version.h>

#include "serve/server/session.h"

namespace manta::serve {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using Clock = std::chrono::steady_clock;
using asio::ip::tcp;

namespace {

constexpr std::chrono::microseconds kPoll{400};  // after the last thing that happened, while requests are under way

const std::string kVersion = std::to_string(MANTA_VERSION_MAJOR) + "." + std::to_string(MANTA_VERSION_MINOR) + "." +
                             std::to_string(MANTA_VERSION_PATCH);

Response json_page(std::string body) { return {.content_type = "application/json", .body = std::move(body)}; }

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return result;
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
    throw Error(ErrorCode::unavailable, "cannot listen at " + options_.host + ":" + std::to_string(options_.port) + ": " +
                                            error.message() + ". Next: choose another HttpOptions::port or host, or end who listens there");
  };
  check(options_);
  boost::system::error_code error;
  const auto host = asio::ip::make_address(options_.host == "localhost" ? "127.0.0.1" : options_.host, error);
  if (error) {
    throw Error(ErrorCode::invalid_argument, "HttpOptions::host is \"" + options_.host + "\", which is no IP address. Next: 127.0.0.1 for "
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
  return endpoint.address().to_string() + ":" + std::to_string(endpoint.port());
}

void Engine::accept() {
  if (sessions_.size() >= options_.max_connections) {
    accepting_ = false;  // goes on when one is closed
    return;
  }
  accepting_ = true;
  acceptor_.async_accept([this](boost::system::error_code error, tcp::socket socket) {
    if (stopping_) return;
    if (error == asio::error::no_descriptors || error == asio::error::no_buffer_space || error == asio::error::no_memory) {
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

std::size_t Engine::dispatch(const std::shared_ptr<App>& app, Router::Time& now, std::optional<Router::Time>& earliest) {
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
      response = detail::error_response(500, "the deployment answered with the status " + std::to_string(response.status));
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
  for (const RequestId id : left) respond(id, detail::error_response(503, "'" + app->options().name + "' was stopped"), Clock::now());
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

void Engine::answer(std::shared_ptr<Session> session, Message message) {
  const std::string target(message.target());
  const std::string_view whole = target;
  const std::size_t mark = std::min(whole.find('?'), whole.size());
  const std::string_view path = whole.substr(0, mark);
  const std::string_view query = whole.substr(std::min(mark + 1, whole.size()));
  const Route route = route_of(path);
  const auto refuse = [&](int status, const std::string& why) {
    Response response = detail::error_response(status, why);
    if (status == 405) response.headers.emplace_back("Allow", route.get && route.post ? "GET, POST" : route.get ? "GET" : "POST");
    session->respond(std::move(response));
  };
  if (route.to == Route::To::nowhere) return refuse(404, "there is nothing at " + std::string(path) + "; /v2 and /metrics are, and /NAME of each deployment");
  const bool is_get = message.method() == http::verb::get || message.method() == http::verb::head;
  const bool is_post = message.method() == http::verb::post;
  if (!(is_get && route.get) && !(is_post && route.post)) {
    return refuse(405, std::string(path) + " does not take " + std::string(message.method_string()));
  }
  std::shared_ptr<App> app;
  if (!route.name.empty()) {
    const auto it = apps_.find(std::string(route.name));
    if (it == apps_.end()) {
      std::string have;
      for (const auto& [name, known] : apps_) have += (have.empty() ? "" : ", ") + name;
      return refuse(404, "nothing called '" + std::string(route.name) + "' is served here; there is: " + (have.empty() ? "nothing" : have));
    }
    app = it->second;
    if (!route.version.empty() && route.version != app->options().version) {
      return refuse(404, "'" + app->options().name + "' has no version '" + std::string(route.version) + "'; it has: " + app->options().version);
    }
    if (route.to == Route::To::callable && app->description.model) {
      return refuse(404, "'" + app->options().name + "' is a model: POST to /v2/models/" + app->options().name + "/infer");
    }
    if (route.to != Route::To::callable && !app->description.model) {
      return refuse(404, "'" + app->options().name + "' is no model of the inference protocol: POST to /" + app->options().name);
    }
  }
  if (route.to == Route::To::callable || route.to == Route::To::infer) {
    const std::string_view coding = message[http::field::content_encoding];
    if (!coding.empty() && !boost::beast::iequals(coding, "identity")) {
      return refuse(415, "a body with Content-Encoding " + std::string(coding) + " is not taken; send it as it is");
    }
    return enqueue(std::move(session), std::move(app), route, message, path, query);
  }
  session->respond(page(route, app.get()));
}

void Engine::enqueue(std::shared_ptr<Session> session, std::shared_ptr<App> app, const Route& route, Message& message,
                     std::string_view path, std::string_view query) {
  const auto now = Clock::now();
  const RequestId id = next_id_++;
  if (!app->router.enqueue(id, now)) {
    ++app->counts.rejected;
    Response response = detail::error_response(503, "'" + app->options().name + "' is overloaded: " + std::to_string(app->router.queued()) +
                                                        " requests wait (DeploymentOptions::max_queued_requests)");
    response.headers.emplace_back("Retry-After", "1");
    return session->respond(std::move(response));
  }
  Pending pending{std::move(session), app, {}, now, now};
  Request& request = pending.request;
  request.body = std::move(message.body());
  if (route.to == Route::To::infer) {
    if (const std::string_view length = message["Inference-Header-Content-Length"]; !length.empty()) {
      request.headers.emplace_back("inference-header-content-length", length);
    }
    request.headers.emplace_back("model-name", app->options().name);
    request.headers.emplace_back("model-version", app->options().version);
  } else if (app->description.raw) {
    request.method = std::string(message.method_string());
    request.path = std::string(path);
    request.query = std::string(query);
    for (const auto& field : message) request.headers.emplace_back(lower(field.name_string()), std::string(field.value()));
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
      return json_page(Json{{"name", "manta"},
                            {"version", kVersion},
                            {"extensions", {"binary_tensor_data", "model_configuration", "model_repository", "statistics"}}}.dump());
    case Route::To::model_metadata: return json_page(metadata_of(*app));
    case Route::To::model_config: return json_page(config_of(*app));
    case Route::To::model_statistics: return json_page(statistics_of(models));
    case Route::To::repository_index: {
      Json list = Json::array();
      for (const App* each : models) list.push_back({{"name", each->options().name}, {"version", each->options().version}, {"state", "READY"}});
      return json_page(list.dump());
    }
    case Route::To::live: return {};
    default: return stopping_ ? detail::error_response(503, "the server is being shut down") : Response{};  // ready
  }
}

}  // namespace manta::serve
