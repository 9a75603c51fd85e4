#include "serve/server/engine.h"

#include <sched.h>
#include <strings.h>

#include <algorithm>
#include <array>
#include <utility>

#include <manta/version.h>

namespace manta::serve {

using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::microseconds kPoll{400};  // after the last thing that happened, while requests are under way

const std::string kVersion = std::to_string(MANTA_VERSION_MAJOR) + "." + std::to_string(MANTA_VERSION_MINOR) + "." +
                             std::to_string(MANTA_VERSION_PATCH);

Response json_page(std::string body) { return {.content_type = "application/json", .body = std::move(body)}; }

http::ServerOptions server_options(const HttpOptions& options) {
  return {.host = options.host,
          .port = options.port,
          .max_body_bytes = options.max_body_bytes,
          .max_header_bytes = options.max_header_bytes,
          .idle_timeout = options.idle_timeout,
          .request_timeout = options.request_timeout,
          .max_connections = options.max_connections};
}

bool is_identity(std::string_view coding) { return ::strcasecmp(std::string(coding).c_str(), "identity") == 0; }

}  // namespace

Engine::Engine(HttpOptions options)
    : log_(options.access_log),
      server_(server_options(options), *this, this),
      work_([this] { server_.post([] {}); },
            [this](App& app, ReplicaId id) { return keeper_.look(app, id, Clock::now()); }),
      keeper_([this](const App& app, ReplicaId id) { work_.replica_lost(app, id); }),
      watch_at_(Clock::now() + keeper_.next_look()) {}

Engine::~Engine() { work_.clear(); }

// --- the loop

void Engine::run() {
  Clock::time_point last = Clock::now();
  for (;;) {
    std::optional<Router::Time> earliest;
    const std::size_t done = server_.poll() + work_.take_results() + dispatch(earliest);
    if (server_.ended()) return;
    const auto now = Clock::now();
    if (watch_at_ && now >= *watch_at_) watch(now);
    if (done != 0) {
      last = now;
      continue;
    }
    if (work_.under_way() && now - last < kPoll) {
      ::sched_yield();  // a replica may be waiting for this very processor
      continue;
    }
    if (log_) log_.flush();
    if (!earliest || (watch_at_ && *watch_at_ < *earliest)) earliest = watch_at_;
    if (work_.arm()) server_.wait(earliest);
    last = Clock::now();
  }
}

std::size_t Engine::dispatch(std::optional<Router::Time>& earliest) {
  std::size_t done = 0;
  Router::Time now{};
  for (const auto& [name, app] : apps_) done += work_.dispatch(app, now, earliest);
  for (const auto& app : retired_) done += work_.dispatch(app, now, earliest);
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

void Engine::watch(Router::Time now) {
  watch_at_ = now + keeper_.next_look();
  Keeper::Apps all = retired_;
  for (const auto& [name, app] : apps_) all.push_back(app);
  keeper_.look(all, now);
  replaced_.look(now);
  work_.drop_departed(now);
  if (keeper_.ended()) return end();
  for (const auto& app : all) {
    if (app->router.hopeless(now) && app->router.queued() > 0) work_.refuse_waiting(*app, app->unready());
  }
}

// Manta has ended under the server: nothing can be computed any more.
void Engine::end() {
  watch_at_.reset();
  work_.refuse(nullptr, 503, keeper_.ended()->message());
  if (on_end_) std::exchange(on_end_, {})();
}

void Engine::on_end(std::function<void()> f) {
  server_.post([this, f = std::move(f)]() mutable {
    if (keeper_.ended() && f) return f();
    on_end_ = std::move(f);
  });
}

void Engine::finished(const http::RequestFinished& request) {
  ++counts_.responses[request.status];
  if (log_) {
    log_.write(request.peer, request.method, request.target, request.status, request.body_bytes, request.took);
  }
}

// --- requests

std::optional<Response> Engine::refusal_of(const http::RequestHead& head) {
  Target ignored;
  return find(head, ignored);
}

std::optional<Response> Engine::find(const http::RequestHead& head, Target& target) const {
  static constexpr std::array<std::string_view, 8> kMethods{"GET",    "HEAD",    "POST",  "PUT",
                                                            "DELETE", "OPTIONS", "TRACE", "PATCH"};
  if (std::find(kMethods.begin(), kMethods.end(), head.method) == kMethods.end()) {
    return http::error_response(501, "the method " + head.method + " is not implemented");
  }
  if (head.path == "*") return Response{.status = 204, .headers = {{"Allow", "GET, HEAD, POST, OPTIONS"}}};
  const Route& route = target.route = route_of(head.path);
  if (route.to == Route::To::nowhere) {
    return http::error_response(
        404, "there is nothing at " + head.path + "; /v2 and /metrics are, and /NAME of each deployment");
  }
  if (auto refusal = find_app(head, target)) return refusal;
  const bool taken = head.method == "GET" || head.method == "HEAD" ? route.get : head.method == "POST" && route.post;
  if (taken) return std::nullopt;
  Response response = head.method == "OPTIONS" ? Response{.status = 204}
                                               : http::error_response(405, head.path + " does not take " + head.method);
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
    return http::error_response(404, "nothing called '" + std::string(route.name) +
                                         "' is served here; there is: " + (have.empty() ? "nothing" : have));
  }
  target.app = it->second;
  const std::string& name = target.app->options().name;
  const std::string& version = target.app->options().version;
  if (!route.version.empty() && route.version != version) {
    return http::error_response(
        404, "'" + name + "' has no version '" + std::string(route.version) + "'; it has: " + version);
  }
  const bool model = target.app->description.model;
  if (route.to == Route::To::callable && model) {
    return http::error_response(404, "'" + name + "' is a model: POST to /v2/models/" + name + "/infer");
  }
  if (route.to != Route::To::callable && !model) {
    return http::error_response(404, "'" + name + "' is no model of the inference protocol: POST to /" + name);
  }
  const std::string_view coding = head.field("content-encoding");
  const bool computes = route.to == Route::To::callable || route.to == Route::To::infer;
  if (computes && !coding.empty() && !is_identity(coding)) {
    return http::error_response(
        415, "a body with Content-Encoding " + std::string(coding) + " is not taken; send it as it is");
  }
  return std::nullopt;
}

void Engine::handle(http::RequestHead& head, std::string body, http::Responder responder) {
  Target target;
  if (auto refusal = find(head, target)) return std::move(responder).respond(std::move(*refusal));
  if (target.route.to == Route::To::callable || target.route.to == Route::To::infer) {
    return enqueue(std::move(responder), target, head, std::move(body));
  }
  std::move(responder).respond(page(target.route, target.app.get()));
}

void Engine::enqueue(http::Responder responder, const Target& target, http::RequestHead& head, std::string body) {
  const std::shared_ptr<App>& app = target.app;
  const auto refuse = [&](const std::string& why) {
    ++app->counts.rejected;
    std::move(responder).respond(unavailable_response(why));
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
  if (!work_.admit(responder, app, std::move(request))) {
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
      counts.connections = server_.connections();
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
  if (server_.stopping()) return unavailable_response("the server is being shut down");
  for (const auto& [name, each] : apps_) {
    if (app != nullptr && app != each.get()) continue;
    if (const std::string why = each->unready(); !why.empty()) return unavailable_response(why);
  }
  return {};
}

}  // namespace manta::serve
