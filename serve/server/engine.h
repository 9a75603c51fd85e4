// The server's loop: requests of HTTP, the apps' queues, and the replicas' results, in one thread.
//
//   ENGINE-1  each request that was read gets one response: see WORK-1
//   ENGINE-2  the loop blocks only when no request, result or batch is ready; it polls for a moment while requests are
//   under way
//
// Threading: run() is the loop's thread; execute() and stop() from any other; everything else in the loop's.
#pragma once

#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <manta/http/server.h>
#include <manta/serve/options.h>

#include "serve/protocols/paths.h"
#include "serve/server/access_log.h"
#include "serve/server/app.h"
#include "serve/server/keeper.h"
#include "serve/server/metrics.h"
#include "serve/server/replaced_replicas.h"
#include "serve/server/work.h"

namespace manta::serve {

class Engine final : private http::Handler, private http::Observer {
 public:
  // Listens. Throws Error.
  explicit Engine(HttpOptions options);
  ~Engine() override;

  void run();
  // Runs f in the loop's thread and returns what it returns. Not from that thread.
  template <class F>
  auto execute(F f) -> decltype(f()) {
    std::packaged_task<decltype(f())()> task(std::move(f));
    auto result = task.get_future();
    server_.post([&task] { task(); });
    return result.get();
  }
  // Accepts nothing more and closes what is idle; run() returns when all is answered, or at the deadline.
  void stop(Router::Time deadline) { server_.stop(deadline); }

  const std::string& address() const { return server_.address(); }
  Keeper& keeper() { return keeper_; }
  // f is called in the loop's thread, once, when Manta has ended under the server. Any thread.
  void on_end(std::function<void()> f);

  // --- in the loop
  std::map<std::string, std::shared_ptr<App>>& apps() { return apps_; }
  ReplacedReplicas& replaced() { return replaced_; }
  ReplicaId add_replica(App& app, std::shared_ptr<const detail::ReplicaLink> link, std::uint64_t number);
  // An app that is no longer at its name: what it has is still answered. Then it is forgotten.
  void retire(std::shared_ptr<App> app) { retired_.push_back(std::move(app)); }
  void forget(const std::shared_ptr<App>& app);

 private:
  std::optional<http::Response> refusal_of(const http::RequestHead& head) override;
  void handle(http::RequestHead& head, std::string body, http::Responder responder) override;
  void finished(const http::RequestFinished& request) override;

  struct Target {
    Route route;
    std::shared_ptr<App> app;
  };
  // Empty: a page or a replica answers, which target tells.
  std::optional<Response> find(const http::RequestHead& head, Target& target) const;
  std::optional<Response> find_app(const http::RequestHead& head, Target& target) const;
  Response page(const Route& route, const App* app) const;
  Response readiness(const App* app) const;
  void enqueue(http::Responder responder, const Target& target, http::RequestHead& head, std::string body);
  // earliest: when to come again at the latest.
  std::size_t dispatch(std::optional<Router::Time>& earliest);
  // Looks after replicas and clients.
  void watch(Router::Time now);
  void end();

  AccessLog log_;
  http::Server server_;
  Work work_;
  Keeper keeper_;
  std::optional<Router::Time> watch_at_;  // nullopt: Manta has ended
  std::function<void()> on_end_;
  std::map<std::string, std::shared_ptr<App>> apps_;
  std::vector<std::shared_ptr<App>> retired_;
  ReplacedReplicas replaced_;
  ServerCounts counts_;
};

}  // namespace manta::serve
