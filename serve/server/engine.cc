#include "serve/server/engine.h"

#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <utility>

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

}  // namespace

Engine::Engine(HttpOptions options)
    : options_(std::move(options)),
      log_(options_.access_log),
      work_([this] { asio::post(io_, [] {}); },
            [this](App& app, ReplicaId id) { return keeper_.look(app, id, Clock::now()); }),
      keeper_([this](const App& app, ReplicaId id) { work_.replica_lost(app, id); }) {
  const auto fail = [&](const boost::system::error_code& error) {
    throw Error(ErrorCode::unavailable,
                "cannot listen at " + options_.host + ":" + std::to_string(options_.port) + ": " + error.message() +
                    ". Next: choose another HttpOptions::port or host, or end who listens there");
  };
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

void Engine::answer(std::shared_ptr<Session> session, Message message) {
  const std::string target(message.target());
  const std::string_view whole = target;
  const std::size_t mark = std::min(whole.find('?'), whole.size());
  const std::string_view path = whole.substr(0, mark);
  const std::string_view query = whole.substr(std::min(mark + 1, whole.size()));
  const Route route = route_of(path);
  const auto refuse = [&](int status, const std::string& why) {
    Response response = detail::error_response(status, why);
    if (status == 405)
      response.headers.emplace_back("Allow", route.get && route.post ? "GET, POST" : route.get ? "GET" : "POST");
    session->respond(std::move(response));
  };
  if (route.to == Route::To::nowhere)
    return refuse(404,
                  "there is nothing at " + std::string(path) + "; /v2 and /metrics are, and /NAME of each deployment");
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
      return refuse(404, "nothing called '" + std::string(route.name) +
                             "' is served here; there is: " + (have.empty() ? "nothing" : have));
    }
    app = it->second;
    if (!route.version.empty() && route.version != app->options().version) {
      return refuse(404, "'" + app->options().name + "' has no version '" + std::string(route.version) +
                             "'; it has: " + app->options().version);
    }
    if (route.to == Route::To::callable && app->description.model) {
      return refuse(404,
                    "'" + app->options().name + "' is a model: POST to /v2/models/" + app->options().name + "/infer");
    }
    if (route.to != Route::To::callable && !app->description.model) {
      return refuse(
          404, "'" + app->options().name + "' is no model of the inference protocol: POST to /" + app->options().name);
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
  const auto refuse = [&](const std::string& why) {
    ++app->counts.rejected;
    session->respond(unavailable_response(why));
  };
  if (keeper_.ended()) return refuse(keeper_.ended()->message());
  if (app->router.hopeless(Clock::now())) return refuse(app->unready());
  Request request;
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
    for (const auto& field : message)
      request.headers.emplace_back(lower(field.name_string()), std::string(field.value()));
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
