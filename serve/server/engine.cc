#include "serve/server/engine.h"

#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <utility>

#include <manta/detail/check_option.h>
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
    : options_(std::move(options)),
      log_(options_.access_log),
      work_([this] { asio::post(io_, [] {}); },
            [this](App& app, ReplicaId id) { return keeper_.look(app, id, Clock::now()); }),
      keeper_([this](const App& app, ReplicaId id) { work_.replica_lost(app, id); }) {
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
  watch();
}

Engine::~Engine() {
  stopping_ = true;
  work_.clear();
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
    const std::size_t done = io_.poll() + work_.take_results() + dispatch();
    if (stopping_ && (sessions_.empty() || Clock::now() >= stop_by_)) return;
    if (done != 0) {
      last = Clock::now();
      continue;
    }
    if (work_.under_way() && Clock::now() - last < kPoll) {
      ::sched_yield();  // a replica may be waiting for this very processor
      continue;
    }
    if (log_) log_.flush();
    if (stopping_) wake_at(stop_by_);
    if (work_.arm()) io_.run_one();
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
  for (const auto& [name, app] : apps_) done += work_.dispatch(app, now, earliest);
  for (const auto& app : retired_) done += work_.dispatch(app, now, earliest);
  if (earliest && done == 0) wake_at(*earliest);
  return done;
}

ReplicaId Engine::add_replica(App& app, std::shared_ptr<const detail::ReplicaLink> link, std::uint64_t number) {
  const ReplicaId id = app.next_replica++;
  const auto now = Clock::now();
  app.replicas[id] = {.link = std::move(link), .number = number, .checked = now};
  app.router.add(id);
  (void)keeper_.look(app, id, now);
  return id;
}

void Engine::forget(const std::shared_ptr<App>& app) {
  std::erase(retired_, app);
  work_.refuse(app.get(), 503, "'" + app->options().name + "' was stopped");
}

void Engine::watch() {
  watch_timer_.expires_after(keeper_.next_look());
  watch_timer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    const auto now = Clock::now();
    if (!stopping_ && !accepting_ && sessions_.size() < options_.max_connections) accept();
    Keeper::Apps all = retired_;
    for (const auto& [name, app] : apps_) all.push_back(app);
    keeper_.look(all, now);
    replaced_.look(now);
    work_.drop_departed(now);
    if (keeper_.ended()) return end();
    for (const auto& app : all) {
      if (app->router.hopeless(now) && app->router.queued() > 0) work_.refuse_waiting(*app, app->unready());
    }
    watch();
  });
}

// Manta has ended under the server: nothing can be computed any more.
void Engine::end() {
  work_.refuse(nullptr, 503, keeper_.ended()->message());
  if (on_end_) std::exchange(on_end_, {})();
}

void Engine::on_end(std::function<void()> f) {
  asio::post(io_, [this, f = std::move(f)]() mutable {
    if (keeper_.ended() && f) return f();
    on_end_ = std::move(f);
  });
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
    return enqueue(std::move(session), target, head, std::move(body));
  }
  session->respond(page(target.route, target.app.get()));
}

void Engine::enqueue(std::shared_ptr<Session> session, const Target& target, http::RequestHead& head,
                     std::string body) {
  const std::shared_ptr<App>& app = target.app;
  const auto refuse = [&](const std::string& why) {
    ++app->counts.rejected;
    session->respond(unavailable_response(why));
  };
  if (keeper_.ended()) return refuse(keeper_.ended()->message());
  if (app->router.hopeless(Clock::now())) return refuse(app->unready());
  Request request;
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
  if (!work_.admit(session, app, std::move(request))) {
    refuse("'" + app->options().name + "' is overloaded: " + std::to_string(app->router.queued()) +
           " requests wait (DeploymentOptions::max_queued_requests)");
  }
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
      for (const App* each : models) {
        list.push_back({{"name", each->options().name},
                        {"version", each->options().version},
                        {"state", each->unready().empty() ? "READY" : "UNAVAILABLE"},
                        {"reason", each->unready()}});
      }
      return json_page(list.dump());
    }
    case Route::To::live:
      return keeper_.ended() ? unavailable_response(keeper_.ended()->message()) : Response{};
    default:
      return readiness(app);
  }
}

// Of a model, or of all that is served.
Response Engine::readiness(const App* app) const {
  if (keeper_.ended()) return unavailable_response(keeper_.ended()->message());
  if (stopping_) return unavailable_response("the server is being shut down");
  for (const auto& [name, each] : apps_) {
    if (app != nullptr && app != each.get()) continue;
    if (const std::string why = each->unready(); !why.empty()) return unavailable_response(why);
  }
  return {};
}

}  // namespace manta::serve
